"""Starting a run: settings, reading, the run folder, then the loop."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import yaml
from lightning_fabric import Fabric

from .. import __version__
from .. import cells as known_cells
from .. import tasks as known_tasks
from ..cells import Cell
from ..errors import RunError, SettingError
from ..evaluation import weights
from ..files import FORMAT, absolute, write_text
from ..ops.timings import state_of_table
from ..progress import Progress, Silent
from ..run import Run, load, load_vocabulary, open_task
from ..settings import Settings, full_name, read_config, settings_from
from ..tasks.base import USUAL_CELL, Reading, Task
from . import checkpoint
from .loop import Loop
from .malloc import keep_freed_memory

PRECISIONS = {"32": "32-true", "64": "64-true", "bf16": "bf16-mixed", "16": "16-mixed"}


def train(
    task: str | type[Task],
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
    named = {"seed": seed, "max_minutes": max_minutes, "device": device, "precision": precision, "devices": devices}
    settings |= {f"training.{name}": value for name, value in named.items() if value is not None}
    if cell is not None:
        settings["model.cell"] = cell if isinstance(cell, str) else _cell_name(cell, cell_spec)
    if isinstance(cell, Cell):
        settings["model.cell_options"] = asdict(cell)
    given = {} if config is None else dict(config) if isinstance(config, Mapping) else read_config(config)
    if {full_name(kind, key) for key, value in settings.items() if value is not None} & {
        "training.max_minutes",
        "training.steps",
        "training.epochs",
    }:
        settings.setdefault("training.plan", None)  # another length than that of the run whose config.yaml is given
    chosen = settings_from(kind, _without_record(given), settings)
    own_cell = None if cell is None or isinstance(cell, str) else cell
    if isinstance(own_cell, type):
        own_cell = known_cells.get(own_cell, **chosen.model.cell_options)
    built = kind(chosen, cell=own_cell)
    folder = _folder(data, out, overwrite)
    fabric = _fabric(chosen)
    with _beside(folder) as part:
        with progress.bar("reading") as bar:
            reading = built.read(data, valid, part / "cache", progress.say, lambda n: bar.at(n, f"{n:,}"))
        built.settings = built.choose(reading).with_open(model={"cell": USUAL_CELL})
        built.cell = built.find_cell()
        built.reading = reading
        for line in reading.lines:
            progress.say(line)
        torch.manual_seed(built.settings.training.seed)
        network = built.network()
        with progress.bar("first weights") as bar, torch.no_grad():
            told = built.first_weights(network, lambda n: bar.at(n, f"{n:,}"))
        for line in told:
            progress.say(line)
        source = {"data": absolute(data), "valid": None if valid is None else absolute(valid)}
        facts = {"task": task_spec or _task_name(kind, task), "source": source}
        built.save_vocabulary(part / "vocabulary")
        checkpoint.save_tensors(part / "model.safetensors", weights(network))
        _write_config(part, built, network, facts)
        loop = Loop(built, network, fabric, folder, started)
        loop.rehearse()  # what does not fit stops here, an older run untouched
        if overwrite and folder.exists():
            shutil.rmtree(folder)
    built.open(folder / "cache")
    for line in described(built, network):
        progress.say(line)
    return _finish(loop, facts, progress)


def resume(
    path: str | Path,
    *,
    progress: Progress | None = None,
    cells: Sequence[type[Cell]] = (),
    tasks: Sequence[type[Task]] = (),
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
    task.open(path / "cache")
    task.reading = Reading(**config["resolved"]["reading"])
    loop = Loop(task, task.network(), _fabric(task.settings), path, time.time())
    loop.rehearse()
    loop.load()
    progress.say(f"{path}: goes on at step {loop.step:,}")
    return _finish(loop, {"task": config["task"], "source": config["source"]}, progress, cells=cells, tasks=tasks)


def _finish(
    loop: Loop,
    facts: dict[str, Any],
    progress: Progress,
    *,
    cells: Sequence[type[Cell]] = (),
    tasks: Sequence[type[Task]] = (),
) -> Run:
    """Run the loop, write what it resolved, open the run with its best weights."""
    folder = loop.folder
    try:
        loop.run(progress)
    finally:
        _write_config(folder, loop.task, loop.bare, facts, loop)
    shutil.rmtree(folder / "cache", ignore_errors=True)
    task = loop.task
    return load(folder, cells=[*cells, type(task.cell)], tasks=[*tasks, type(task)])


# settings --------------------------------------------------------------------------------------------------------------
def _without_record(given: Mapping[str, Any]) -> dict[str, Any]:
    """config.yaml of a run may be given as a configuration: what is record and not setting is left out."""
    record = ("format", "recurra", "task", "source", "resolved")
    return {key: value for key, value in given.items() if key not in record}


def _cell_name(cell: Cell | type[Cell], spec: str | None) -> str:
    if spec:
        return spec
    kind = type(known_cells.get(cell))
    known = kind.name in known_cells.names() and type(known_cells.get(kind.name)) is kind  # not another of its name
    return kind.name if known else f"{kind.__module__}:{kind.__qualname__}"


def _task_name(kind: type[Task], spec: str | type[Task]) -> str:
    if isinstance(spec, str):
        return spec
    return kind.name if kind.name in known_tasks.names() else f"{kind.__module__}:{kind.__qualname__}"


def _fabric(settings: Settings) -> Fabric:
    """The device and the arithmetic. Raises SettingError for a device that is not there."""
    training = settings.training
    if training.devices != 1:
        raise SettingError(f"devices = {training.devices}: this version trains on one device; leave it at 1")
    if training.threads is not None:
        torch.set_num_threads(training.threads)
    name, _, number = training.device.partition(":")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda", "mps"):
        raise SettingError(f"device = {training.device!r}; wanted auto, cpu, cuda, cuda:N or mps")
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there[name]:
        raise SettingError(f"device = {training.device!r}: there is no such device here; leave it out, or use cpu")
    if number and (not number.isdecimal() or int(number) >= torch.cuda.device_count()):
        raise SettingError(f"device = {training.device!r}: there are {torch.cuda.device_count()} such devices, from 0")
    devices: Any = [int(number)] if number else 1
    return Fabric(accelerator=name, devices=devices, precision=PRECISIONS[training.precision])  # type: ignore[arg-type]


# the folder ------------------------------------------------------------------------------------------------------------
def _folder(data: str | Path, out: str | Path | None, overwrite: bool) -> Path:
    """Where the run goes. One that was asked for by name is never written over unless told."""
    if out is not None:
        folder = Path(out)
        if folder.exists() and not folder.is_dir():
            raise RunError(f"{folder}: is a file; give --out the name of a folder")
        if folder.exists() and any(folder.iterdir()):
            if not overwrite:
                raise RunError(f"{folder}: exists already; choose another --out, or write over it with --overwrite")
            if not (folder / "config.yaml").exists():
                raise RunError(
                    f"{folder}: holds something else than a run; it is not written over. Choose another --out"
                )
        return folder
    stem = Path(str(data).rstrip("/").rpartition(":")[2]).name.split(".")[0] or "run"
    folder = Path("runs") / stem
    number = 2
    while folder.exists() and not (overwrite and (folder / "config.yaml").exists()):
        folder = Path("runs") / f"{stem}-{number}"
        number += 1
    return folder


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A folder that becomes `folder` when the block ends well, and is gone otherwise."""
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        try:
            part.mkdir(parents=True)
        except OSError as error:
            raise RunError(f"{folder}: cannot be made ({error.strerror})") from None
        yield part
        try:
            if folder.exists():
                folder.rmdir()  # an empty one; _folder has seen to the others
            part.replace(folder)
        except OSError as error:
            raise RunError(f"{folder}: cannot be made ({error.strerror})") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write_config(
    folder: Path, task: Task, network: torch.nn.Module, facts: dict[str, Any], loop: Loop | None = None
) -> None:
    """config.yaml: all that is needed to train again, and what was resolved."""
    reading = task.reading
    streams, why = task.streams()
    resolved: dict[str, Any] = {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "streams": True if streams else f"no: {why}",
        "threads": torch.get_num_threads(),
        "versions": {"recurra": __version__, "torch": str(torch.__version__)},
        "reading": {"rows": reading.rows, "valid_rows": reading.valid_rows, "steps_of_time": reading.steps_of_time},
    }
    padding = getattr(task, "padding", None)
    if padding is not None and loop is not None:
        resolved["padding"] = round(padding(), 4)
    if loop is not None:
        resolved |= {
            "back_end": loop.back_end,
            "back_end_table": state_of_table(),
            "device": str(loop.fabric.device),
            "freed_memory": keep_freed_memory(),
            "steps": loop.step,
            "seconds": round(loop.clock.seconds, 1),
        }
    settings = task.settings.model_dump(mode="json")
    if loop is not None and loop.plan is not None:  # what repeats the run, whatever the clock says next time
        settings["training"] |= {
            "plan": [list(entry) for entry in loop.plan.record],
            "evaluations": loop.clock.evaluations,
        }
    values = {"format": FORMAT, "recurra": __version__, **facts, **settings, "resolved": resolved}
    write_text(folder / "config.yaml", yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


def described(task: Task, network: torch.nn.Module) -> list[str]:
    """The network in a line, before the bar starts."""
    model = task.settings.model
    count = sum(parameter.numel() for parameter in network.parameters())
    streams, why = task.streams()
    both = ", both directions" if getattr(model, "bidirectional", False) else ""
    several = f"{members} networks of " if (members := getattr(model, "members", None) or 1) > 1 else ""
    return [
        f"{several}{model.cell} {model.num_layers} x {model.hidden_size}{both}, {count / 1e6:.2f} million parameters; "
        f"streams: {'yes' if streams else f'no ({why})'}"
    ]
