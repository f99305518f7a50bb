"""`recurra inspect`: the problems of a run with their remedies, and the report about it."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from .common import Import, RunFolder, open_run, progress


def inspect(
    run: RunFolder,
    data: Annotated[
        str | None, typer.Argument(metavar="[DATA]", help="Its training data (those that config.yaml names).")
    ] = None,
    language: Annotated[str, typer.Option(metavar="CODE", help="Language of the report: en, zh.")] = "en",
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="Print the diagnosis as one JSON object; write no report.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", metavar="", help="Replace an existing report.")] = False,
    import_: Import = None,
) -> None:
    """Diagnose a run and write its report, RUN/report.html.

    Prints what is wrong, the number that shows it, and the setting that remedies it; or that no problem was found.
    """
    from ..inspection import diagnose
    from ..inspection.report import check_new, inspect_run
    from ..inspection.texts import catalog

    catalog(language)  # an unknown language is reported before the work
    opened = open_run(run, import_)
    if as_json:
        print(json.dumps(diagnose(opened, data).to_json(), ensure_ascii=False))
        return
    check_new(opened.path, overwrite)
    with progress().bar("inspecting"):
        diagnosis, path = inspect_run(opened, data, language=language, overwrite=overwrite)
    print(opened.summary()[0])
    for line in diagnosis.lines(language):
        print(line)
    print(path)
