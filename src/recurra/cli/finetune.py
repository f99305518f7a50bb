"""`recurra finetune`: continues training from the weights of a run on new data."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from .common import (
    Device,
    Devices,
    Encoding,
    FindLR,
    HeaderOption,
    Import,
    MaxMinutes,
    Overwrite,
    RunFolder,
    Separator,
    own_classes,
    progress,
    read_settings,
)
from .train import finish, imports_in_message


def finetune(
    run: RunFolder,
    data: Annotated[str, typer.Argument(metavar="DATA", help="New data of the same task, as for `recurra train`.")],
    valid: Annotated[
        str | None, typer.Option(metavar="FILE", help="Validation data; by default a part of DATA.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="RUN", help="Run folder to write (runs/NAME).")] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="YAML file with settings.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="key=value", help="A setting, such as learning_rate=1e-4; repeatable."),
    ] = None,
    encoding: Encoding = None,
    separator: Separator = None,
    header: HeaderOption = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Random seed (that of RUN).")] = None,
    max_minutes: MaxMinutes = None,
    device: Device = None,
    precision: Annotated[
        str | None, typer.Option(metavar="P", help="Floating point precision: 32, bf16, 16, 64 (that of RUN).")
    ] = None,
    devices: Devices = None,
    find_lr: FindLR = False,
    overwrite: Overwrite = False,
    import_: Import = None,
) -> None:
    """Continue training from the weights of a run on new data.

    The network and the vocabulary of RUN are kept, and RUN is not changed.
    """
    began = time.time()
    from .. import training
    from ..config import parse_pairs

    cells, tasks = own_classes(import_)
    options: dict[str, Any] = {"valid": valid, "out": out, "config": config, "seed": seed, "max_minutes": max_minutes,
                               "device": device, "precision": precision, "devices": devices}  # fmt: skip
    options = {name: value for name, value in options.items() if value is not None}
    settings = parse_pairs(set_ or []) | read_settings(encoding, separator, header)
    with imports_in_message(import_ or []) as imports:
        tuned = training.finetune(
            run, data, find_lr=find_lr, overwrite=overwrite, progress=progress(), started=began, cells=cells, tasks=tasks,
            **options, **settings,
        )  # fmt: skip
    finish(tuned, time.time() - began, imports)
