"""Rows in = answers out, for random tables in every format: separators, quotes, line ends, encodings, headers, empty cells.

The test reads each table as `recurra predict` does, with the function that the command calls, for a run that was trained on
another table with the same columns. RECURRA_TABLES sets the number of tables, 100 by default.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pyarrow
import pyarrow.feather
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recurra.cli.predict import _examples
from recurra.data.sources.inspect.facts import FileFacts
from recurra.data.sources.reading import FileReading
from recurra.errors import DataError
from recurra.settings import DataSettings, as_given, settings_from
from recurra.tasks.classify.task import Classify

TABLES = int(os.environ.get("RECURRA_TABLES", "100"))
WORDS = {
    "plain": ["a", "dull", "film", "with", "warm", "bright", "people", "who", "never", "say", "why"],
    "marks": ["well;", "yes|no", "it's", "(old)", "50%", "e-mail", "#tag", "@me", "a/b", "c:d"],
    "western": ["café", "naïve", "über", "señor", "garçon", "“so”"],
    "chinese": ["很好看", "的", "一部", "不错的电影", "他说", "我们", "在中国"],
    "commas": ["well, yes", "no, never", "a, b, c"],
    "quotes": ['"quoted"', 'say "no"', 'five"', '"open'],
    "lines": ["two\nlines", "three\nmore\nlines"],
}
SEPARATORS = {"csv": ",", "semicolons": ";", "bars": "|", "tsv": "\t"}
FORMATS = (*SEPARATORS, "json lines", "json list", "pretty json", "parquet", "feather", "xlsx", "txt")
ENCODINGS = {  # the characters that each can write
    "utf-8": ["marks", "western", "chinese"],
    "utf-8-sig": ["marks", "western", "chinese"],
    "utf-16": ["marks", "western", "chinese"],
    "gb18030": ["chinese"],
    "cp1252": ["marks", "western"],
}
NAMES = {"text": "review", "class": "topic", "number": "points"}


class Table(NamedTuple):
    """A table, and how it is written."""

    format: str
    names: list[str]
    rows: list[list[str]]
    encoding: str
    header: bool
    quoting: int
    end: str
    last_end: bool


def texts(kinds: Sequence[str], least: int = 2) -> st.SearchStrategy[str]:
    words = [word for kind in kinds for word in WORDS[kind]]
    return st.lists(st.sampled_from(words), min_size=least, max_size=5).map(" ".join)


@st.composite
def tables(draw: st.DrawFn, format: str | None = None) -> Table:
    format = format or draw(st.sampled_from(FORMATS))
    is_text = format in SEPARATORS or format in ("txt", "json lines", "json list", "pretty json")
    encoding = draw(st.sampled_from(list(ENCODINGS))) if is_text else "utf-8"
    kinds = ["plain", *ENCODINGS[encoding]]
    if format not in ("tsv", "txt"):
        kinds += draw(st.lists(st.sampled_from(["commas", "quotes", "lines"]), max_size=3, unique=True))
    more = 0 if format == "txt" else draw(st.integers(1, 4))
    types = ["text", *draw(st.lists(st.sampled_from(["class", "number", "text"]), min_size=more, max_size=more))]
    cells = {
        "text": texts(kinds),
        "class": st.sampled_from(["good", "bad", "so so"]),
        "number": st.integers(-99, 99).map(str) | st.integers(-9999, 9999).map(lambda n: f"{n / 1000:.3f}"),
    }
    empty = st.integers(0, 9)
    rows = []
    for _ in range(draw(st.integers(1, 12))):
        row = [draw(cells[kind]) for kind in types]
        row = [cell if at == 0 or draw(empty) else "" for at, cell in enumerate(row)]
        rows.append(["" if any(row[1:]) and not draw(empty) else row[0], *row[1:]])
    names = [f"{NAMES[kind]}{at}" for at, kind in enumerate(types)]
    return Table(
        *(format, names, rows, encoding, draw(st.integers(0, 9)) < 7),
        draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        *(draw(st.sampled_from(["\n", "\r\n"])), draw(st.booleans())),
    )


# writing ---------------------------------------------------------------------------------------------------------------
def delimited(table: Table) -> str:
    stream = io.StringIO()
    writer = csv.writer(
        stream, delimiter=SEPARATORS[table.format], lineterminator=table.end, quoting=table.quoting  # type: ignore[arg-type]
    )  # fmt: skip
    writer.writerows([table.names, *table.rows] if table.header else table.rows)
    return stream.getvalue()


def as_json(table: Table) -> str:
    objects = [dict(zip(table.names, row, strict=True)) for row in table.rows]
    if table.format == "json lines":
        return "".join(json.dumps(one, ensure_ascii=at % 2 == 0) + table.end for at, one in enumerate(objects))
    return json.dumps(objects, ensure_ascii=False, indent=2 if table.format == "pretty json" else None)


def write(table: Table, folder: Path) -> Path:
    """Write a table in its format."""
    if table.format in ("parquet", "feather"):
        path = folder / f"table.{table.format}"
        columns = {name: [row[at] or None for row in table.rows] for at, name in enumerate(table.names)}
        arrow = pyarrow.table({name: pyarrow.array(cells, pyarrow.string()) for name, cells in columns.items()})
        writer: Callable[..., Any] = (
            pyarrow.parquet.write_table if table.format == "parquet" else pyarrow.feather.write_feather
        )
        writer(arrow, path)
        return path
    if table.format == "xlsx":
        book = pytest.importorskip("openpyxl").Workbook()
        for row in [table.names, *table.rows]:
            book.active.append([cell or None for cell in row])
        book.save(folder / "table.xlsx")
        return folder / "table.xlsx"
    suffix = {"tsv": "tsv", "txt": "txt", "json lines": "jsonl", "json list": "json", "pretty json": "json"}
    path = folder / f"table.{suffix.get(table.format, 'csv')}"
    if table.format == "txt":
        text = "".join(row[0] + table.end for row in table.rows)
    else:
        text = delimited(table) if table.format in SEPARATORS else as_json(table)
    if not table.last_end and table.rows[-1][0]:
        text = text.removesuffix(table.end)
    path.write_bytes(text.encode(table.encoding))
    return path


# reading ---------------------------------------------------------------------------------------------------------------
def run_for(table: Table, folder: Path, trained: Table, *, name_header: bool) -> Any:
    """What `predict` uses of a run: its dataset, as after training on a table with the same columns, and its settings."""
    named = {} if table.encoding.startswith("utf") else {"encoding": table.encoding}
    if name_header and table.format in SEPARATORS:
        named["header"] = "yes" if table.header else "no"
    values = settings_from(as_given(Classify.settings_class), {f"data.{name}": value for name, value in named.items()})
    dataset = Classify.dataset_for(values)
    facts = FileReading(DataSettings()).facts(write(trained, folder))
    dataset.rows.columns = {"text": trained.names[0], "label": trained.names[-1]}
    dataset.reading.begin_use(facts, set(named))
    return SimpleNamespace(task=SimpleNamespace(dataset=dataset), settings=values)


def answered(run: Any, path: Path) -> list[Any]:
    """The text of each input for which `predict` prints an answer, or its error."""
    examples = [example for part, _ in _examples(run, str(path)) for example in part]
    values = [one if isinstance(one, DataError) else run.task.dataset.rows.input_value(one) for one in examples]
    return ["" if value is None else value for value in values]


def facts_of(run: Any, path: Path) -> FileFacts:
    facts = run.task.dataset.reading.facts(path)
    assert isinstance(facts, FileFacts)
    return facts


@settings(
    max_examples=TABLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), print_blob=False
)
@given(table=tables(), name_header=st.booleans())
def test_rows_in_are_answers_out(tmp_path_factory: pytest.TempPathFactory, table: Table, name_header: bool) -> None:
    folder = tmp_path_factory.mktemp("tables")
    (folder / "train").mkdir()
    training = [[f"a {'warm' if at % 2 else 'dull'} film {at}", *["good"] * (len(table.names) - 1)] for at in range(9)]
    trained = Table("csv", table.names, training, "utf-8", True, csv.QUOTE_MINIMAL, "\n", True)
    run, path = run_for(table, folder / "train", trained, name_header=name_header), write(table, folder)
    facts = facts_of(run, path)
    if table.format in SEPARATORS and facts.header != table.header:
        assert not name_header and not facts.header_certain, f"{facts.header_reason}: {facts}"
        return  # nothing in the file shows whether the first line has names, and the user was told
    assert answered(run, path) == [row[0] for row in table.rows], f"{facts}"


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_drawn(tmp_path: Path, format: str) -> None:
    row = ["a warm film", "good"] if format != "txt" else ["a warm film"]
    table = Table(format, ["review0", "topic1"][: len(row)], [row] * 3, "utf-8", True, csv.QUOTE_MINIMAL, "\n", True)
    (tmp_path / "train").mkdir()
    trained = table._replace(format="csv", rows=[["a dull film", "bad"][: len(row)]] * 9)
    run = run_for(table, tmp_path / "train", trained, name_header=False)
    assert answered(run, write(table, tmp_path)) == ["a warm film"] * 3
