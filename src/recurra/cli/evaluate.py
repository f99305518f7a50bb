"""`recurra evaluate`: the task's metrics of a run on a file."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from .common import Import, InUse, RunFolder, open_run, progress
from .tables import figures


def evaluate(
    run: RunFolder,
    data: Annotated[str, typer.Argument(metavar="DATA", help="a file, a folder, a built-in set, hf:NAME")],
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
    set_: InUse = None,
    import_: Import = None,
) -> None:
    """Evaluate a run on other data: the task's metrics."""
    opened, shown = open_run(run, import_, set_), progress()
    if opened.knows(data):
        shown.say(
            f"{data} is what this run was trained on: on new data it may do worse. "
            f"The figures of the part that was held back are in {run / 'metrics.json'}"
        )
    metrics = opened.evaluate(data, progress=shown)
    if as_json:
        print(json.dumps(metrics, ensure_ascii=False))
        return
    for line in figures(metrics):
        print(line)
