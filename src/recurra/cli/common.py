"""What several commands share: the option `--import`, the progress on stderr, opening a run."""

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
    typer.Option("--import", metavar="FILE.py|MODULE", help="Code of your own that the run needs; repeatable."),
]
InUse = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="key=value", help="A setting that acts in use, as beam_size=8; repeatable."),
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="a run folder, as train leaves it")]


def progress() -> Progress:
    """Lines and bars on stderr; the bars only where that is a terminal."""
    from ..progress import Terminal

    return Terminal()


def own_classes(imports: list[str] | None) -> tuple[list[type[Cell]], list[type[Task[Any]]]]:
    """The cells and tasks of all `--import`s."""
    cells: list[type[Cell]] = []
    tasks: list[type[Task[Any]]] = []
    if imports:
        from ..plugins import load_module_classes

        for source in imports:
            more_cells, more_tasks = load_module_classes(source)
            cells += more_cells
            tasks += more_tasks
    return cells, tasks


def open_run(folder: Path, imports: list[str] | None, pairs: list[str] | None = None) -> Run:
    """Open a run folder with the code that was named for it, and with other values for the settings of `--set`."""
    from ..config import parse_pairs
    from ..run import load

    cells, tasks = own_classes(imports)
    run = load(folder, cells=cells, tasks=tasks)
    run.change(**parse_pairs(pairs or []))
    return run


def program() -> str:
    """What to type for this command: `recurra` where that is on the path, else the way to it."""
    if shutil.which("recurra"):
        return "recurra"
    beside = Path(sys.executable).parent / "recurra"
    return os.path.relpath(beside) if beside.exists() else "python -m recurra"
