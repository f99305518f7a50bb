"""`recurra train`: trains a model on a file and writes a run folder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import SettingError
from ..tasks import names
from .common import (
    Device,
    Devices,
    Encoding,
    FindLR,
    HeaderOption,
    Import,
    MaxMinutes,
    Overwrite,
    Separator,
    own_classes,
    program,
    progress,
    read_settings,
)
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
        str | None,
        typer.Argument(metavar="DATA", help="A file, a folder, a built-in dataset (recurra data), or hf:NAME."),
    ] = None,
    valid: Annotated[
        str | None, typer.Option(metavar="FILE", help="Validation data; by default a part of DATA.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="RUN", help="Run folder to write (runs/NAME).")] = None,
    cell: Annotated[
        str | None, typer.Option(metavar="NAME", help="Cell: rnn, lstm, gru, or file.py:Class (depends on the data).")
    ] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="YAML file with settings.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="key=value", help="Any setting, such as hidden_size=256; repeatable."),
    ] = None,
    k1: Annotated[
        int | None, typer.Option(metavar="N", help="Time steps of a window of truncated backpropagation.")
    ] = None,
    k2: Annotated[
        int | None, typer.Option(metavar="N", help="Time steps of a backward pass, at least k1 (k1).")
    ] = None,
    encoding: Encoding = None,
    separator: Separator = None,
    header: HeaderOption = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Random seed for initialization, shuffling and dropout (0).")
    ] = None,
    max_minutes: MaxMinutes = None,
    device: Device = None,
    precision: Annotated[
        str | None, typer.Option(metavar="P", help="Floating point precision: 32, bf16, 16, 64 (32).")
    ] = None,
    devices: Devices = None,
    find_lr: FindLR = False,
    overwrite: Overwrite = False,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", metavar="", help="Encode the data again; do not use the cache.")
    ] = False,
    resume: Annotated[Path | None, typer.Option(metavar="RUN", help="Resume a run that was interrupted.")] = None,
    import_: Import = None,
) -> None:
    """Train a recurrent model on your own file.

    recurra train TASK DATA, or recurra train --resume RUN. Options: recurra train TASK --help.
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
    reading: dict[str, Any] = read_settings(encoding, separator, header)
    reading |= {name: value for name, value in (("k1", k1), ("k2", k2)) if value is not None}
    if resume is not None:
        others = {"set": bool(set_), "overwrite": overwrite, "find_lr": find_lr, "no-cache": no_cache}
        changes = [*options, *reading, *(name for name, given in others.items() if given)]
        with imports_in_message(import_ or []) as imports:
            run = _resume(resume, task, changes, import_)
    else:
        with imports_in_message(_sources(task, cell)) as imports:
            options |= {"find_lr": find_lr, "overwrite": overwrite, "cache": not no_cache}
            run = _train(ctx, task, data, options, reading, set_ or [], import_)
    finish(run, time.time() - ctx.meta[STARTED], imports)


def _sources(*specs: str | None) -> list[str]:
    """The files and modules of specifications such as FILE.py:Class, without repetitions."""
    from ..plugins import source_of

    return list(dict.fromkeys(source for spec in specs if spec and (source := source_of(spec))))


@contextmanager
def imports_in_message(sources: list[str]) -> Iterator[str]:
    """The `--import` options that the next command needs; they are also added to the message of Ctrl-C."""
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
    reading: dict[str, Any],
    pairs: list[str],
    imports: list[str] | None,
) -> Run:
    if task is None or data is None:
        what = "TASK and DATA" if task is None else "DATA"
        raise SettingError(f"train requires {what}: recurra train classify reviews.csv (recurra train --help)")
    if imports:
        raise SettingError("--import is an option of --resume; write a custom task or cell as file.py:Class")
    from .. import training
    from ..config import parse_pairs
    from ..plugins import is_spec, load_cell
    from ..settings import full_name

    task_class = ctx.meta[TASK]
    settings: dict[str, Any] = {}
    # A key may be written with or without its group. Options take precedence over --set.
    for key, value in {**parse_pairs(pairs), **reading, **ctx.meta[FLAGS]}.items():
        settings[full_name(task_class.settings_class, key)] = value
    if is_spec(task):
        options["task_spec"] = task
    if is_spec(options.get("cell", "")):
        options["cell_spec"] = options["cell"]
        options["cell"] = load_cell(options["cell"])
    return training.train(task_class, data, progress=progress(), started=ctx.meta[STARTED], **options, **settings)


def _resume(folder: Path, task: str | None, others: list[str], imports: list[str] | None) -> Run:
    if task is not None or others:
        extra = f"TASK {task!r}" if task is not None else f"--{others[0].replace('_', '-')}"
        raise SettingError(
            f"--resume continues a run with its own settings; {extra} cannot be changed: start a new run"
        )
    from .. import training

    cells, tasks = own_classes(imports)
    return training.resume(folder, progress=progress(), cells=cells, tasks=tasks)


def finish(run: Run, seconds: float, imports: str) -> None:
    """Print a summary of the run, and the next commands."""
    for line in run.summary():
        print(line)
    print(f"run folder: {run.path}  ({seconds / 60:.1f} minutes)")
    print("next:")
    if run.generates:
        print(f"  {program()} generate {run.path} --prompt TEXT{imports}")
    else:
        print(f"  {program()} predict {run.path} FILE{imports}")
    print(f"  {program()} evaluate {run.path} OTHER_FILE{imports}")
