"""`recurra compare`: several cells on one dataset, with equal budgets and several seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import progress


def compare(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A task, as for recurra train.")],
    data: Annotated[str, typer.Argument(metavar="DATA", help="A file, a folder, a built-in dataset, or hf:NAME.")],
    cells: Annotated[str, typer.Option(metavar="A,B", help="The cells: two or more names.")] = "rnn,gru,lstm",
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="key=value", help="A setting of all runs; repeatable.")
    ] = None,
    seeds: Annotated[int, typer.Option(metavar="N", help="Number of seeds of each cell.")] = 3,
    max_minutes: Annotated[float | None, typer.Option(metavar="M", help="Time limit of each run in minutes.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Folder of the runs (runs/compare-NAME).")] = None,
    language: Annotated[str, typer.Option(metavar="CODE", help="Language of the page: en, zh.")] = "en",
) -> None:
    """Train several cells with equal budgets and several seeds, and recommend one.

    Finished runs are not repeated when the command is repeated. Writes FOLDER/comparison.html.
    """
    from .. import comparison
    from ..config import parse_pairs

    names = [name.strip() for name in cells.split(",") if name.strip()]
    found = comparison.compare(
        task,
        data,
        names,
        seeds=seeds,
        max_minutes=max_minutes,
        out=out,
        language=language,
        progress=progress(),
        **parse_pairs(set_ or []),
    )
    for line in found.lines(language):
        print(line)
    print(found.page)
