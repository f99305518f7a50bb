"""Shared by several commands: the option `--import`, progress on stderr, opening a run."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..cells import Cell
    from ..run import Run
    from ..tasks.base import Task
    from ..training import Progress

Import = Annotated[
    list[str] | None,
    typer.Option("--import", metavar="FILE.py|MODULE", help="Custom code that the run needs; repeatable."),
]
InUse = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="key=value", help="Override an inference setting, such as beam_size=8; repeatable."),
]
Encoding = Annotated[
    str | None, typer.Option(metavar="NAME", help="Encoding of text files, such as gb18030 (detected).")
]
Separator = Annotated[
    str | None, typer.Option(metavar="C", help="Separator of the columns: a character, tab, blanks, none (detected).")
]
HeaderOption = Annotated[
    str | None, typer.Option("--header", metavar="WORD", help="Whether the first line has names: yes, no, auto.")
]
MaxMinutes = Annotated[float | None, typer.Option(metavar="M", help="Time limit in minutes, including reading.")]
Device = Annotated[str | None, typer.Option(metavar="D", help="Device: auto, cpu, cuda, cuda:1, mps (auto).")]
Devices = Annotated[int | None, typer.Option(metavar="N", help="Number of devices to train on (1).")]
FindLR = Annotated[
    bool, typer.Option("--find-lr", metavar="", help="Choose the learning rate by a sweep before training.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", metavar="", help="Replace the run folder if it exists.")]
Root = Annotated[
    str | None, typer.Option("--root", metavar="FOLDER", help="Folder that names of media files are relative to.")
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, written by `recurra train`.")]


def progress() -> Progress:
    """Lines and progress bars on stderr; bars only if stderr is a terminal."""
    from ..progress import Terminal

    return Terminal()


def own_classes(imports: list[str] | None) -> tuple[list[type[Cell]], list[type[Task[Any]]]]:
    """The cells and tasks defined by all `--import` options."""
    cells: list[type[Cell]] = []
    tasks: list[type[Task[Any]]] = []
    if imports:
        from ..plugins import load_module_classes

        for source in imports:
            more_cells, more_tasks = load_module_classes(source)
            cells += more_cells
            tasks += more_tasks
    return cells, tasks


def read_settings(
    encoding: str | None, separator: str | None, header: str | None, root: str | None = None
) -> dict[str, str]:
    """The settings of the options `--encoding`, `--separator`, `--header` and `--root` that were given."""
    values = {"encoding": encoding, "separator": separator, "header": header, "root": root}
    return {name: value for name, value in values.items() if value is not None}


def open_run(
    folder: Path, imports: list[str] | None, pairs: list[str] | None = None, options: dict[str, str] | None = None
) -> Run:
    """Open a run folder with the imported code, and change the inference settings given by `--set` and by options."""
    from ..config import parse_pairs
    from ..run import load

    cells, tasks = own_classes(imports)
    run = load(folder, cells=cells, tasks=tasks)
    run.change(**parse_pairs(pairs or []), **(options or {}))
    return run


def program() -> str:
    """The command to type: `recurra` if it is on the path, else the path to it."""
    if shutil.which("recurra"):
        return "recurra"
    beside = Path(sys.executable).parent / "recurra"
    return os.path.relpath(beside) if beside.exists() else "python -m recurra"
