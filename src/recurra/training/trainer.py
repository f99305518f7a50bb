"""Starting a run: settings, reading, the run folder, then the loop."""

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
from ..errors import RunError, SettingError
from ..files import absolute
from ..progress import Progress, Silent
from ..provenance import digests
from ..run import Run, load, load_vocabulary, open_task
from ..settings import DEFAULT_CELL, Settings, as_given, full_name, settings_from
from ..tasks.base import DatasetInfo, HasPretrainedWeights, Task
from ..tasks.contract import check_class, check_task, own_code
from ..weights import named_weights, save_tensors
from .devices import fabric_for
from .loop import Loop
from .malloc import keep_freed_memory
from .run_folder import built_beside, choose_folder, write_config, write_final_config

AnyTask = type[Task[Any]]
LENGTHS = {"training.max_minutes", "training.steps", "training.epochs"}
RECORD = ("format", "recurra", "task", "source", "code", "resolved")  # of config.yaml, and no settings


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
    started: float | None = None,
    task_spec: str | None = None,
    cell_spec: str | None = None,
    **settings: Any,
) -> Run:
    """Train `task` on `data` and return the run; the same options as `recurra train`.

    task, cell  a name, or a class of one's own
    config      a YAML file, or a mapping, of settings; `settings` are single ones, by name, over it (None is a value)
    started     time.time() when the work began, if that was before this call: max_minutes counts from it
    task_spec, cell_spec  how a class of one's own is named in the run's config.yaml: file.py:Class

    Raises UserError for wrong input, TrainingError when training cannot go on, KeyboardInterrupt after Ctrl-C with the
    run saved.
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
            started=started, overwrite=overwrite, spec=task_spec or _task_name(kind, task),
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
) -> Run:
    """Read, build the network, then train. An error before the first step leaves nothing behind."""
    _cell(given, own_cell)  # one that cannot be had is reported before anything is read
    fabric = fabric_for(given.training)
    with built_beside(folder) as part:
        dataset = kind.dataset_for(given)
        with progress.bar("reading") as bar:
            info = dataset.prepare(data, valid, part / "cache", lambda n: bar.at(n, f"{n:,}"))
        resolved = kind.resolve(given.with_(**info.settings), dataset, info)
        for line in info.messages:
            progress.say(line)
        built = kind(resolved, dataset, _cell(resolved, own_cell))
        check_task(built)
        torch.manual_seed(resolved.training.seed)
        network = built.network()
        if isinstance(built, HasPretrainedWeights):
            with progress.bar("pretrained weights") as bar, torch.no_grad():
                lines = built.load_pretrained(network, lambda n: bar.at(n, f"{n:,}"))
            for line in lines:
                progress.say(line)
        origin = {"data": absolute(data), "valid": None if valid is None else absolute(valid)}
        code = digests(task=kind, cell=type(built.cell))
        source = {"task": spec, "source": origin} | ({"code": code} if code else {})
        dataset.save(part / "vocabulary")
        save_tensors(part / "model.safetensors", named_weights(network))
        write_config(part, built, network, info, source)
        loop = Loop(built, network, fabric, folder, started, info)
        loop.rehearse()  # what does not fit stops here, an older run untouched
        if overwrite and folder.exists():
            shutil.rmtree(folder)
    dataset.load_cache(folder / "cache")
    progress.say(_described(built, network))
    return _finish(loop, source, progress)


def resume(
    path: str | Path,
    *,
    progress: Progress | None = None,
    cells: Sequence[type[Cell]] = (),
    tasks: Sequence[AnyTask] = (),
) -> Run:
    """Go on with a run that was stopped. Raises RunError when it is finished or has no checkpoint."""
    path, progress = Path(path), progress or Silent()
    keep_freed_memory()
    config, task = open_task(path, cells=cells, tasks=tasks)
    if not (path / "cache").exists():
        raise RunError(
            f"{path}: this run is finished (it has no cache/ of encoded data any more); there is nothing to resume"
        )
    load_vocabulary(task, path)
    task.dataset.load_cache(path / "cache")
    found = config["resolved"]["reading"]
    info = DatasetInfo(rows=found["rows"], valid_rows=found["valid_rows"], time_steps=found["steps_of_time"])
    loop = Loop(task, task.network(), fabric_for(task.settings.training), path, time.time(), info)
    loop.rehearse()
    loop.load()
    progress.say(f"{path}: goes on at step {loop.step:,}")
    source: dict[str, Any] = {name: config[name] for name in ("task", "source", "code") if name in config}
    return _finish(loop, source, progress, cells=cells, tasks=tasks)


def _finish(
    loop: Loop,
    source: dict[str, Any],
    progress: Progress,
    *,
    cells: Sequence[type[Cell]] = (),
    tasks: Sequence[AnyTask] = (),
) -> Run:
    """Run the loop, write what it resolved, open the run with its best weights."""
    folder = loop.folder
    try:
        loop.run(progress)
    finally:
        write_final_config(loop, source, loop.sampler)
    shutil.rmtree(folder / "cache", ignore_errors=True)
    task = loop.task
    return load(folder, cells=[*cells, type(task.cell)], tasks=[*tasks, type(task)])


# settings --------------------------------------------------------------------------------------------------------------
def _given_settings(
    kind: AnyTask, config: str | Path | Mapping[str, Any] | None, settings: dict[str, Any]
) -> Settings[Any, Any, Any]:
    """What the user wrote. config.yaml of a run may be given as a configuration: its record is left out."""
    cls = as_given(kind.settings_class)
    file = {} if config is None else dict(config) if isinstance(config, Mapping) else read_config(config)
    if {full_name(cls, key) for key, value in settings.items() if value is not None} & LENGTHS:
        settings.setdefault("training.step_schedule", None)  # another length than that of the run whose config.yaml is given
    return settings_from(cls, {key: value for key, value in file.items() if key not in RECORD}, settings)


def _cell(settings: Settings[Any, Any, Any], own: Cell | type[Cell] | None) -> Cell:
    """The cell of the settings, an object of the user's own class where one was given."""
    name, options = settings.model.cell or DEFAULT_CELL, settings.model.cell_options
    if isinstance(own, Cell):
        return own
    if own is None and ":" in name:
        raise SettingError(f"the cell {name} is of somebody's own code; name it: --cell {name}")
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
    """The network in a line, before the bar starts."""
    model = task.settings.model.model_dump()
    count = sum(parameter.numel() for parameter in network.parameters())
    streaming = task.streaming()
    both = ", both directions" if model.get("bidirectional") else ""
    several = f"{members} networks of " if (members := model.get("ensemble_size") or 1) > 1 else ""
    return (
        f"{several}{model['cell']} {model['num_layers']} x {model['hidden_size']}{both}, {count / 1e6:.2f} million "
        f"parameters; streams: {'yes' if streaming.open else f'no ({streaming.reason})'}"
    )
