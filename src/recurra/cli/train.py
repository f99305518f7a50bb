"""`recurra train`: a file in, a run folder out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import SettingError
from ..tasks import names
from .common import Import, own_classes, program, progress
from .task_flags import FLAGS, STARTED, TASK, TrainCommand

if TYPE_CHECKING:
    from ..run import Run

__all__ = ["TrainCommand", "train"]


def train(
    ctx: typer.Context,
    task: Annotated[
        str | None,
        typer.Argument(metavar="TASK", help=", ".join([*names(), "file.py:Class"])),
    ] = None,
    data: Annotated[
        str | None, typer.Argument(metavar="DATA", help="a file, a folder, a built-in set (recurra data), hf:NAME")
    ] = None,
    valid: Annotated[str | None, typer.Option(metavar="FILE", help="Data to validate on, not a part of DATA.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="RUN", help="Run folder to write (runs/NAME).")] = None,
    cell: Annotated[str | None, typer.Option(metavar="NAME", help="rnn, lstm, gru, or file.py:Class (chosen).")] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="Settings in YAML.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="key=value", help="Any setting, as hidden_size=256; repeatable."),
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Of weights, order, dropout and splits (0).")] = None,
    max_minutes: Annotated[float | None, typer.Option(metavar="M", help="Time for all, reading included.")] = None,
    device: Annotated[str | None, typer.Option(metavar="D", help="auto, cpu, cuda, cuda:1, mps (auto).")] = None,
    precision: Annotated[str | None, typer.Option(metavar="P", help="32, bf16, 16, 64 (32).")] = None,
    devices: Annotated[int | None, typer.Option(metavar="N", help="Devices to train on (1).")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", metavar="", help="Replace the run folder if it exists.")
    ] = False,
    resume: Annotated[Path | None, typer.Option(metavar="RUN", help="Go on with a run that was interrupted.")] = None,
    import_: Import = None,
) -> None:
    """Train a recurrent model on a file of your own.

    recurra train TASK DATA, or recurra train --resume RUN. The options of a task: recurra train TASK --help.
    """
    options: dict[str, Any] = {
        "valid": valid,
        "out": out,
        "cell": cell,
        "config": config,
        "seed": seed,
        "max_minutes": max_minutes,
        "device": device,
        "precision": precision,
        "devices": devices,
    }
    options = {name: value for name, value in options.items() if value is not None}
    if resume is not None:
        changes = [*options, *(["set"] if set_ else []), *(["overwrite"] if overwrite else [])]
        with _telling_imports(import_ or []) as imports:
            run = _resume(resume, task, changes, import_)
    else:
        with _telling_imports(_sources(task, cell)) as imports:
            run = _train(ctx, task, data, options, set_ or [], overwrite, import_)
    _finish(run, time.time() - ctx.meta[STARTED], imports)


def _sources(*specs: str | None) -> list[str]:
    """The files and modules that were named as FILE.py:Class, each once."""
    from ..plugins import source_of

    return list(dict.fromkeys(source for spec in specs if spec and (source := source_of(spec))))


@contextmanager
def _telling_imports(sources: list[str]) -> Iterator[str]:
    """What to add to the next command so that it may import the same code; the message of Ctrl-C has it too."""
    imports = "".join(f" --import {source}" for source in sources)
    try:
        yield imports
    except KeyboardInterrupt as stopped:
        raise KeyboardInterrupt(f"{stopped}{imports}" if str(stopped) else "") from None


def _train(
    ctx: typer.Context,
    task: str | None,
    data: str | None,
    options: dict[str, Any],
    pairs: list[str],
    overwrite: bool,
    imports: list[str] | None,
) -> Run:
    if task is None or data is None:
        what = "TASK and DATA" if task is None else "DATA"
        raise SettingError(f"train needs {what}: recurra train classify reviews.csv (recurra train --help)")
    if imports:
        raise SettingError("--import goes with --resume; a task or cell of your own is named as file.py:Class")
    from .. import training
    from ..config import parse_pairs
    from ..plugins import is_spec, load_cell
    from ..settings import full_name

    task_class = ctx.meta[TASK]
    settings: dict[str, Any] = {}
    # A key may be written with its group or without; the named options win over --set, as the nearer word.
    for key, value in {**parse_pairs(pairs), **ctx.meta[FLAGS]}.items():
        settings[full_name(task_class.settings_class, key)] = value
    if is_spec(task):
        options["task_spec"] = task
    if is_spec(options.get("cell", "")):
        options["cell_spec"] = options["cell"]
        options["cell"] = load_cell(options["cell"])
    return training.train(
        task_class, data, overwrite=overwrite, progress=progress(), started=ctx.meta[STARTED], **options, **settings
    )


def _resume(folder: Path, task: str | None, others: list[str], imports: list[str] | None) -> Run:
    if task is not None or others:
        extra = f"TASK {task!r}" if task is not None else f"--{others[0].replace('_', '-')}"
        raise SettingError(f"--resume goes on with a run as it was; {extra} cannot be changed now: start a new run")
    from .. import training

    cells, tasks = own_classes(imports)
    return training.resume(folder, progress=progress(), cells=cells, tasks=tasks)


def _finish(run: Run, seconds: float, imports: str) -> None:
    """The run in a few lines, and what to type next."""
    for line in run.summary():
        print(line)
    print(f"run folder: {run.path}  ({seconds / 60:.1f} minutes)")
    print("next:")
    if run.writes:
        print(f"  {program()} generate {run.path} --prompt TEXT{imports}")
    else:
        print(f"  {program()} predict {run.path} FILE{imports}")
    print(f"  {program()} evaluate {run.path} OTHER_FILE{imports}")
