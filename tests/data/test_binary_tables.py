"""Tables that are no text: Excel workbooks, Feather and Arrow files, and files that need to be converted."""

from __future__ import annotations

import datetime
import sys
from pathlib import Path

import pyarrow
import pyarrow.feather
import pytest

from recurra.data.sources.reading import FileReading
from recurra.data.sources.sources import CONVERT, Source, open_source
from recurra.errors import DataError
from recurra.settings import DataSettings

ROWS = [
    {"text": "a dull film", "stars": 1, "data": {"lang": "en"}},
    {"text": "很好看", "stars": None, "data": {"lang": "zh"}},
]


def values(source: Source) -> list[dict[str, object]]:
    return [row.values for row in source.rows()]


@pytest.mark.parametrize("suffix", [".feather", ".arrow"])
def test_feather_and_arrow(tmp_path: Path, suffix: str) -> None:
    path, table = tmp_path / f"a{suffix}", pyarrow.Table.from_pylist(ROWS)
    if suffix == ".feather":
        pyarrow.feather.write_feather(table, path)
    else:  # a stream, as the hub's library caches datasets
        with pyarrow.OSFile(str(path), "wb") as file, pyarrow.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table)
    source = open_source(path)
    assert source.columns == ["text", "stars", "data", "data.lang"]
    assert values(source) == [row | {"data.lang": row["data"]["lang"]} for row in ROWS]  # type: ignore[index,operator]
    facts = FileReading(DataSettings()).facts(path)
    assert [column.type for column in facts.columns] == ["text", "integer", "object", "text"]
    path.write_bytes(b"no table")
    with pytest.raises(DataError, match="not Feather or Arrow, or damaged"):
        values(open_source(path))


def test_excel(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="the extra excel is not installed")
    book = openpyxl.Workbook()
    for row in (["text", "stars", "day"], ["a dull film", 1.0, datetime.datetime(2024, 1, 31)], [None, None, None],
                ["很好看", 2.5, datetime.datetime(2024, 2, 1, 8, 30)]):  # fmt: skip
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    source = open_source(tmp_path / "a.xlsx")
    assert values(source) == [
        {"text": "a dull film", "stars": 1, "day": "2024-01-31"},
        {"text": "很好看", "stars": 2.5, "day": "2024-02-01 08:30:00"},
    ]
    book = openpyxl.Workbook()
    for row in (["good", "a b c"], ["bad", "d e f"], ["good", "g h i"]):
        book.active.append(row)
    book.save(tmp_path / "b.xlsx")
    assert len(values(open_source(tmp_path / "b.xlsx"))) == 3, "there is no header"
    (tmp_path / "c.xlsx").write_bytes(b"text")
    with pytest.raises(DataError, match=r"not an \.xlsx workbook, or damaged"):
        values(open_source(tmp_path / "c.xlsx"))


def test_excel_without_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    (tmp_path / "a.xlsx").write_bytes(b"text")
    with pytest.raises(DataError, match=r"a\.xlsx: .*pip install 'recurra\[excel\]'; or save the sheet as CSV"):
        values(open_source(tmp_path / "a.xlsx"))


@pytest.mark.parametrize("suffix", CONVERT)
def test_files_that_need_to_be_converted(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a{suffix}").write_bytes(b"anything")
    with pytest.raises(DataError, match=rf"a{suffix}: {suffix} cannot be read: .*Supported: \.csv") as caught:
        open_source(tmp_path / f"a{suffix}")
    assert CONVERT[suffix] in str(caught.value)
