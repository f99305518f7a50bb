"""`recurra inspect`: the problems of a run, with the numbers that show them and the settings that remedy them."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from .common import Import, RunFolder, open_run


def inspect(
    run: RunFolder,
    data: Annotated[
        str | None, typer.Argument(metavar="[DATA]", help="Its training data (those that config.yaml names).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
    import_: Import = None,
) -> None:
    """Diagnose a run: what is wrong, the number that shows it, and the setting that remedies it.

    Checks the history, the data, and what the network does on its training data. Nothing is trained or written.
    """
    from ..inspection import diagnose

    opened = open_run(run, import_)
    diagnosis = diagnose(opened, data)
    if as_json:
        print(json.dumps(diagnosis.to_json(), ensure_ascii=False))
        return
    for line in (opened.summary()[0], *diagnosis.lines()):
        print(line)
