"""Starting a run: settings, data, the run folder, then the training loop."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from .. import cells as known_cells
from .. import tasks as known_tasks
from ..cells import Cell
from ..config import read_config
from ..data.store.encoded_cache import EncodedCache
from ..errors import RunError, SettingError
from ..files import absolute
from ..progress import Progress, Silent
from ..provenance import digests
from ..run import Run, load
from ..run_folder import load_vocabulary, open_task
from ..settings import DEFAULT_CELL, Settings, as_given, full_name, settings_from
from ..tasks.base import DatasetInfo, HasPretrainedWeights, Task
from ..tasks.contract import check_class, check_task, own_code
from ..weights import named_weights, save_tensors
from .devices import fabric_for
from .initialize import check_layer_settings, constrain, initialize
from .loop import Loop
from .malloc import keep_freed_memory, return_freed_memory
from .messages import reading_speed
from .new_run import built_beside, choose_folder, write_config, write_final_config
from .rules import check_rule

AnyTask = type[Task[Any]]
LENGTH_SETTINGS = {"training.max_minutes", "training.steps", "training.epochs"}
RECORD = ("format", "recurra", "task", "source", "code", "resolved")  # keys of config.yaml that are not settings


def train(
    task: str | AnyTask,
    data: str | Path,
    *,
    valid: str | Path | None = None,
    out: str | Path | None = None,
    cell: str | Cell | type[Cell] | None = None,
    config: str | Path | Mapping[str, Any] | None = None,
    seed: int | None = None,
    max_minutes: float | None = None,
    device: str | None = None,
    precision: str | None = None,
    devices: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    cache: bool = True,
    started: float | None = None,
    task_spec: str | None = None,
    cell_spec: str | None = None,
    **settings: Any,
) -> Run:
    """Train a model and write a run folder. `recurra train` calls this function with the same options.

    Args:
        task: the name of a built-in task, or a custom class.
        data: a file, a folder, the name of a built-in dataset, or `hf:NAME`.
        valid: validation data; None holds out a part of `data`.
        out: the run folder; None: `runs/NAME`.
        cell: the name of a cell, a custom class, or an instance.
        config: a YAML file or a mapping with settings. `settings` take precedence.
        seed: random seed for initialization, shuffling and dropout.
        max_minutes: time limit in minutes, including reading.
        device: auto, cpu, cuda, cuda:1 or mps.
        precision: 32, bf16, 16 or 64.
        devices: number of devices.
        overwrite: whether an existing run folder is replaced.
        progress: where progress is reported; nowhere by default.
        cache: whether encoded data are taken from the cache of earlier runs, and kept there.
        started: `time.time()` when the work began, if that was before this call.
        task_spec, cell_spec: how config.yaml names a custom class, `file.py:Class`.
        **settings: settings by name, such as `hidden_size=64`. None is a value.

    Returns:
        The run with its best weights.

    Raises:
        UserError: the input is wrong: data (DataError), a setting (SettingError), the run folder (RunError), a custom class
            (CallError).
        TrainingError: the loss is not a finite number; the best weights so far are kept.
        KeyboardInterrupt: after Ctrl-C, with a checkpoint saved.

    Example:
        >>> import recurra, tempfile
        >>> from pathlib import Path
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "text.txt").write_text("the sea and the sky\\n" * 40)
        >>> run = recurra.train("language", folder / "text.txt", out=folder / "run", steps=3, hidden_size=4)
        >>> run.generate("the", length=5, seed=0) == run.generate("the", length=5, seed=0)
        True
    """
    started, progress = started or time.time(), progress or Silent()
    keep_freed_memory()
    kind = known_tasks.get(task)
    check_class(kind)
    named = {"seed": seed, "max_minutes": max_minutes, "device": device, "precision": precision, "devices": devices}
    settings |= {f"training.{name}": value for name, value in named.items() if value is not None}
    if cell is not None:
        settings["model.cell"] = cell if isinstance(cell, str) else _cell_name(cell, cell_spec)
    if isinstance(cell, Cell):
        settings["model.cell_options"] = asdict(cell)
    given = _given_settings(kind, config, settings)
    own_cell = None if cell is None or isinstance(cell, str) else cell
    with own_code(kind, own_cell):
        return _train(
            kind, given, own_cell, data, valid, choose_folder(data, out, overwrite), progress,
            started=started, overwrite=overwrite, spec=task_spec or _task_name(kind, task), use_cache=cache,
        )  # fmt: skip


def _train(
    kind: AnyTask,
    given: Settings[Any, Any, Any],
    own_cell: Cell | type[Cell] | None,
    data: str | Path,
    valid: str | Path | None,
    folder: Path,
    progress: Progress,
    *,
    started: float,
    overwrite: bool,
    spec: str,
    use_cache: bool,
) -> Run:
    """Read the data, build the network and train. An error before the first step leaves no files."""
    _cell(given, own_cell)  # an unknown cell is reported before the data are read
    check_rule(kind, given)
    check_layer_settings(given)
    fabric = fabric_for(given.training)
    with built_beside(folder) as part:
        dataset = kind.dataset_for(given)
        facts = None if dataset.reading is None else dataset.reading.facts(data)
        for line in facts.summary() if facts is not None else ():
            progress.message(line)
        encoded = EncodedCache.of_user() if use_cache else None
        if dataset.reading is not None:
            dataset.reading.cache = encoded
        begin = time.monotonic()
        with progress.bar("reading") as bar:
            info = dataset.prepare(data, valid, part / "cache", lambda n: bar.update(n, f"{n:,}"))
        for line in reading_speed(facts, time.monotonic() - begin):
            progress.message(line)
        return_freed_memory()
        info.file = facts
        resolved = kind.resolve(given.with_(**info.settings), dataset, info)
        for line in (*info.messages, *(encoded.messages if encoded is not None else ())):
            progress.message(line)
        built = kind(resolved, dataset, _cell(resolved, own_cell))
        check_task(built)
        torch.manual_seed(resolved.training.seed)
        network = built.network()
        for line in initialize(built, network):
            progress.message(line)
        if isinstance(built, HasPretrainedWeights):
            with progress.bar("pretrained weights") as bar, torch.no_grad():
                lines = built.load_pretrained(network, lambda n: bar.update(n, f"{n:,}"))
            for line in lines:
                progress.message(line)
        for line in constrain(network, resolved):
            progress.message(line)
        origin = {"data": absolute(data), "valid": None if valid is None else absolute(valid)}
        code = digests(task=kind, cell=type(built.cell))
        source = {"task": spec, "source": origin} | ({"code": code} if code else {})
        dataset.save(part / "vocabulary")
        save_tensors(part / "model.safetensors", named_weights(network))
        write_config(part, built, network, info, source)
        loop = Loop(built, network, fabric, folder, started, info)
        loop.dry_run()  # an error stops here, and an older run is kept
        if overwrite and folder.exists():
            shutil.rmtree(folder)
    dataset.load_cache(folder / "cache")
    progress.message(_described(built, network))
    return _finish(loop, source, progress)


def resume(
    path: str | Path,
    *,
    progress: Progress | None = None,
    cells: Sequence[type[Cell]] = (),
    tasks: Sequence[AnyTask] = (),
) -> Run:
    """Resume a run that was interrupted. On a CPU the result is bit-identical to that of an uninterrupted run.

    Args:
        path: the run folder.
        progress: where progress is reported; nowhere by default.
        cells: custom cells of the run.
        tasks: custom tasks of the run.

    Raises:
        RunError: the run is finished, has no checkpoint, or cannot be opened.
    """
    path, progress = Path(path), progress or Silent()
    keep_freed_memory()
    config, task = open_task(path, cells=cells, tasks=tasks)
    if not (path / "cache").exists():
        raise RunError(
            f"{path}: this run is finished (it has no cache/ of encoded data any more); there is nothing to resume"
        )
    load_vocabulary(task, path, config)
    task.dataset.load_cache(path / "cache")
    found = config["resolved"]["dataset"]
    info = DatasetInfo(rows=found["rows"], valid_rows=found["valid_rows"], time_steps=found["time_steps"])
    info.file = None if task.dataset.reading is None else task.dataset.reading.trained
    network = task.network()
    constrain(network, task.settings)
    loop = Loop(task, network, fabric_for(task.settings.training), path, time.time(), info)
    loop.dry_run()
    loop.load()
    progress.message(f"{path}: resumed at step {loop.step:,}")
    source: dict[str, Any] = {name: config[name] for name in ("task", "source", "code") if name in config}
    return _finish(loop, source, progress)


def _finish(
    loop: Loop,
    source: dict[str, Any],
    progress: Progress,
) -> Run:
    """Run the loop, write the final config.yaml, and open the run with its best weights."""
    folder = loop.folder
    try:
        loop.run(progress)
    finally:
        write_final_config(loop, source, loop.sampler)
    shutil.rmtree(folder / "cache", ignore_errors=True)
    task = loop.task
    return load(folder, cells=[type(task.cell)], tasks=[type(task)])


# settings --------------------------------------------------------------------------------------------------------------
def _given_settings(
    kind: AnyTask, config: str | Path | Mapping[str, Any] | None, settings: dict[str, Any]
) -> Settings[Any, Any, Any]:
    """The settings that the user wrote. config.yaml of a run is a valid configuration; its record is ignored."""
    cls = as_given(kind.settings_class)
    file = {} if config is None else dict(config) if isinstance(config, Mapping) else read_config(config)
    if {full_name(cls, key) for key, value in settings.items() if value is not None} & LENGTH_SETTINGS:
        settings.setdefault(
            "training.step_schedule", None
        )  # another length than that of the run whose config.yaml is given
    return settings_from(cls, {key: value for key, value in file.items() if key not in RECORD}, settings)


def _cell(settings: Settings[Any, Any, Any], own: Cell | type[Cell] | None) -> Cell:
    """The cell of the settings, or the custom cell."""
    name, options = settings.model.cell or DEFAULT_CELL, settings.model.cell_options
    if isinstance(own, Cell):
        return known_cells.get(own)
    if own is None and ":" in name:
        raise SettingError(f"the cell {name} is custom code; pass it: --cell {name}")
    return known_cells.get(own or name, **options)


def _cell_name(cell: Cell | type[Cell], spec: str | None) -> str:
    if spec:
        return spec
    kind = type(known_cells.get(cell))
    known = kind.name in known_cells.names() and type(known_cells.get(kind.name)) is kind  # not another of its name
    return kind.name if known else f"{kind.__module__}:{kind.__qualname__}"


def _task_name(kind: AnyTask, spec: str | AnyTask) -> str:
    if isinstance(spec, str):
        return spec
    known = kind.name in known_tasks.names() and known_tasks.get(kind.name) is kind  # not another of its name
    return kind.name if known else f"{kind.__module__}:{kind.__qualname__}"


def _described(task: Task[Any], network: torch.nn.Module) -> str:
    """Describe the network in one line."""
    model = task.settings.model.model_dump()
    count = sum(parameter.numel() for parameter in network.parameters())
    streaming = task.streaming()
    both = ", bidirectional" if model.get("bidirectional") else ""
    several = f"ensemble of {members}, each " if (members := model.get("ensemble_size") or 1) > 1 else ""
    return (
        f"{several}{model['cell']} {model['num_layers']} x {model['hidden_size']}{both}, {count / 1e6:.2f} million "
        f"parameters; streaming: {'yes' if streaming.open else f'no ({streaming.reason})'}"
    )
