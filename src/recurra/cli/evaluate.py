"""`recurra evaluate`: the metrics of a run on a file."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from .common import (
    Encoding,
    HeaderOption,
    Import,
    InUse,
    Root,
    RunFolder,
    Separator,
    open_run,
    progress,
    read_settings,
)
from .tables import metric_lines


def evaluate(
    run: RunFolder,
    data: Annotated[str, typer.Argument(metavar="DATA", help="A file, a folder, a built-in dataset, or hf:NAME.")],
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="Print the metrics as one JSON object.")] = False,
    encoding: Encoding = None,
    separator: Separator = None,
    header: HeaderOption = None,
    root: Root = None,
    set_: InUse = None,
    import_: Import = None,
) -> None:
    """Evaluate a run on other data."""
    opened, shown = open_run(run, import_, set_, read_settings(encoding, separator, header, root)), progress()
    if opened.was_trained_on(data):
        shown.message(
            f"{data} is the training data of this run: the metrics may be worse on new data. "
            f"The metrics on the validation part are in {run / 'metrics.json'}"
        )
    metrics = opened.evaluate(data, progress=shown)
    if as_json:
        print(json.dumps(metrics, ensure_ascii=False))
        return
    for line in metric_lines(metrics):
        print(line)
