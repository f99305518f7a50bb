"""Starting a run: settings, data, the run folder, then the training loop."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from .. import tasks as known_tasks
from ..cells import Cell
from ..data.store.encoded_cache import EncodedCache
from ..errors import RunError, SettingError
from ..files import absolute, remove_leftovers
from ..progress import Progress, Silent
from ..provenance import digests
from ..run import Run, load
from ..run_folder import load_vocabulary, open_task
from ..settings import Settings
from ..tasks.base import DatasetInfo, HasPretrainedWeights, Task
from ..tasks.contract import check_class, check_task, own_code
from ..weights import named_weights, save_tensors
from .devices import fabric_for
from .find_lr import find_learning_rate
from .given import SOURCE, AnyTask, cell_name, cell_of, given_settings, named_options, task_name
from .initialize import check_layer_settings, constrain, initialize
from .loop import Loop
from .malloc import keep_freed_memory, return_freed_memory
from .messages import described_network, reading_speed
from .new_run import built_beside, choose_folder, write_config, write_final_config
from .parent import Parent
from .rules import check_rule


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
    find_lr: bool = False,
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
        find_lr: choose the learning rate by a sweep before training (`training/find_lr.py`).
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
    settings |= named_options(seed, max_minutes, device, precision, devices)
    if cell is not None:
        settings["model.cell"] = cell if isinstance(cell, str) else cell_name(cell, cell_spec)
    if isinstance(cell, Cell):
        settings["model.cell_options"] = asdict(cell)
    given = given_settings(kind, config, settings)
    if find_lr and given.training.learning_rate is not None:
        raise SettingError(
            f"--find-lr chooses the learning rate, but learning_rate is {given.training.learning_rate:g}; remove one of the two"
        )
    own_cell = None if cell is None or isinstance(cell, str) else cell
    with own_code(kind, own_cell):
        return train_in(
            kind, given, own_cell, data, valid, choose_folder(data, out, overwrite), progress,
            started=started, spec=task_spec or task_name(kind, task), find_lr=find_lr, use_cache=cache,
        )  # fmt: skip


def train_in(
    kind: AnyTask,
    given: Settings[Any, Any, Any],
    own_cell: Cell | type[Cell] | None,
    data: str | Path,
    valid: str | Path | None,
    folder: Path,
    progress: Progress,
    *,
    started: float,
    spec: str,
    find_lr: bool = False,
    use_cache: bool = False,
    parent: Parent | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Run:
    """Read the data, build the network and train in a new run folder. An error before the first step leaves no files.

    spec       how config.yaml names the task
    find_lr    whether a sweep chooses the learning rate
    parent     the run whose vocabulary and weights the new one begins with
    changes    settings by name that the user has changed for this use of `parent`
    """
    cell_of(given, own_cell)  # an unknown cell is reported before the data are read
    check_rule(kind, given)
    check_layer_settings(given)
    fabric = fabric_for(given.training)
    with built_beside(folder) as part:
        dataset = kind.dataset_for(given)
        if parent is not None:
            parent.load_vocabulary(dataset, changes or {})
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
        built = kind(resolved, dataset, cell_of(resolved, own_cell))
        check_task(built)
        torch.manual_seed(resolved.training.seed)
        network = built.network()
        for line in [] if parent is not None else initialize(built, network):
            progress.message(line)
        if parent is not None:
            parent.fill(network, resolved.training.precision)
        elif isinstance(built, HasPretrainedWeights):
            with progress.bar("pretrained weights") as bar, torch.no_grad():
                lines = built.load_pretrained(network, lambda n: bar.update(n, f"{n:,}"))
            for line in lines:
                progress.message(line)
        for line in constrain(network, resolved):
            progress.message(line)
        origin = {"data": absolute(data), "valid": None if valid is None else absolute(valid)}
        code = digests(task=kind, cell=type(built.cell))
        source: dict[str, Any] = {"task": spec, "source": origin} | ({"code": code} if code else {})
        if parent is not None:
            source["parent"] = parent.record()
        (part / "vocabulary").mkdir(exist_ok=True)
        dataset.save(part / "vocabulary")
        loop = Loop(built, network, fabric, folder, started, info)
        loop.dry_run()  # an error stops here, and an older run is kept
        if find_lr:
            found = find_learning_rate(loop, progress)
            source["find_lr"] = found.record()
            loop.gradient.penalties.remove()  # the loop of the training adds its own
            built = kind(resolved.with_(training={"learning_rate": found.suggestion}), dataset, built.cell)
            loop = Loop(built, network, fabric, folder, started, info)
            loop.dry_run()
        save_tensors(part / "model.safetensors", named_weights(network))
        write_config(part, built, network, info, source)
        loop.save(part)  # a process that is killed before the first evaluation resumes at step 0
    dataset.load_cache(folder / "cache")
    progress.message(described_network(built, network))
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
    remove_leftovers(path)
    if not (path / "cache").exists():
        raise RunError(
            f"{path}: this run is finished (it has no cache/ of encoded data any more); there is nothing to resume"
        )
    load_vocabulary(task.dataset, path, config)
    task.dataset.load_cache(path / "cache")
    found = config["resolved"]["dataset"]
    info = DatasetInfo(rows=found["rows"], valid_rows=found["valid_rows"], time_steps=found["time_steps"])
    info.file = None if task.dataset.reading is None else task.dataset.reading.trained
    network = task.network()
    constrain(network, task.settings)
    loop = Loop(task, network, _fabric_of(task, path), path, time.time(), info)
    loop.dry_run()
    before, now = loop.load(), loop.fabric.device.type
    moved = "" if before == now else f" on {now}; it was on {before}, so results agree up to rounding errors"
    progress.message(f"{path}: resumed at step {loop.step:,}{moved}")
    source: dict[str, Any] = {name: config[name] for name in SOURCE if name in config}
    return _finish(loop, source, progress)


def _finish(
    loop: Loop,
    source: dict[str, Any],
    progress: Progress,
) -> Run:
    """Run the loop, write the final config.yaml, and open the run with its best weights."""
    folder, task = loop.folder, loop.task
    try:
        loop.run(progress)
    except BaseException:
        with suppress(RunError):  # of a full disk or a removed folder: the first error is the one to report
            write_final_config(loop, source, loop.sampler)
        raise
    write_final_config(loop, source, loop.sampler)
    done = folder / ".cache.part"
    (folder / "cache").replace(done)  # at once: a part of a cache would be taken for a run that can be resumed
    shutil.rmtree(done, ignore_errors=True)
    return load(folder, cells=[type(task.cell)], tasks=[type(task)])


def _fabric_of(task: Task[Any], path: Path) -> Fabric:
    """The device of a run that is resumed. Raises RunError if this machine does not have it."""
    try:
        return fabric_for(task.settings.training)
    except SettingError as error:
        raise RunError(
            f"{path} cannot be resumed here: {error}. Resume it where the device is, or set training.device in its "
            "config.yaml to cpu"
        ) from None
