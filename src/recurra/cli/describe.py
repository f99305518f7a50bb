"""`recurra describe`: what is in a file, and how a task would read it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import Encoding, HeaderOption, Separator, read_settings
from .task_flags import find_task

if TYPE_CHECKING:
    from ..data.sources.inspect.facts import FileFacts
    from ..tasks.base import Description

MAX_COLUMNS = 40  # that the table shows


def describe(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A file, a folder, a built-in dataset, or hf:NAME.")],
    task: Annotated[
        str | None, typer.Option(metavar="TASK", help="Task whose use of the columns is shown, such as classify.")
    ] = None,
    encoding: Encoding = None,
    separator: Separator = None,
    header: HeaderOption = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="key=value", help="A setting of the task, such as label=topic; repeatable."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Describe a file: format, encoding, separator, header, columns, and anything suspicious.

    Large files are sampled; figures that are estimates are marked. Nothing is trained or written.
    recurra describe reviews.csv --task classify
    """
    from ..config import parse_pairs
    from ..data.sources.reading import FileReading
    from ..settings import DataSettings, ModelSettings, Settings, TrainingSettings, as_given, settings_from

    given = {"on_error": "skip", **parse_pairs(set_ or []), **read_settings(encoding, separator, header)}
    kind = Settings[DataSettings, ModelSettings, TrainingSettings] if task is None else find_task(task).settings_class
    settings = settings_from(as_given(kind), given)
    dataset = None if task is None else find_task(task).dataset_for(settings)
    reading = (dataset and dataset.reading) or FileReading(settings.data)
    facts = reading.facts(file)
    if not as_json:
        _print(facts)
        sys.stdout.flush()  # the facts are shown while a task opens the file
    use = None if dataset is None else dataset.describe(file)
    if as_json:
        print(json.dumps(_as_json(facts, task, use), ensure_ascii=False))
    elif use is not None:
        _print_use(str(task), use)


def _as_json(facts: FileFacts, task: str | None, use: Description | None) -> dict[str, Any]:
    values = {**asdict(facts), "path": str(facts.path)}
    return values if use is None else {**values, "task": task, **asdict(use)}


def _print(facts: FileFacts) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(file=sys.stdout, highlight=False, soft_wrap=False)
    for name, value in facts.rows_of_table():
        console.print(f"{name:<11}{value}", markup=False, soft_wrap=True)
    if facts.columns:
        table = Table(title=None, box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for heading in ("column", "type", "missing", "distinct", "examples"):
            table.add_column(
                heading, justify="right" if heading in ("missing", "distinct") else "left", overflow="fold"
            )
        for column in facts.columns[:MAX_COLUMNS]:
            missing = "" if not column.missing else f"{column.missing / max(facts.sampled_rows, 1):.0%}"
            cells = (column.name, column.type, missing, f"{column.distinct:,}", ", ".join(column.examples))
            table.add_row(*(cell.replace("[", "\\[") for cell in cells))
        console.print()
        console.print(table)
        if len(facts.columns) > MAX_COLUMNS:
            console.print(f"... and {len(facts.columns) - MAX_COLUMNS:,} more columns")
    for line in (*facts.notes, *(f"warning: {one}" for one in facts.warnings)):
        console.print(line, markup=False, soft_wrap=True)


def _print_use(task: str, use: Description) -> None:
    print(f"\nas {task} would read it")
    for line in (*use.roles, *use.notes, *(f"warning: {one}" for one in use.warnings)):
        print(f"  {line}")
