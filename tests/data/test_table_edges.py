"""Lines above and below a table that are no rows: titles, and rows of separators at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recurra.data.sources.inspect.facts import ReadOptions
from recurra.data.sources.sources import open_source
from recurra.errors import DataError

TITLES = {
    "world bank": '"Data Source","World Development Indicators",\n\n"Last Updated Date","2023-09-19",\n\n',
    "one cell": "A title of the table\n",
    "padded": "A title of the table,,,,\n,,,,\n",
}
ROWS = "".join(f"Land {at},L{at},{at}.5,{at}.7,{'' if at % 3 else 8}\n" for at in range(30))


def facts_and_rows(path: Path, **options: Any) -> tuple[Any, list[dict[str, Any]]]:
    source = open_source(path, options=ReadOptions(**options))
    return source.facts, [row.values for row in source.rows()]


@pytest.mark.parametrize("kind", TITLES)
def test_lines_above_the_header_are_reported_and_not_read(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a.csv").write_text(TITLES[kind] + "name,code,2001,2002,2003\n" + ROWS)
    facts, rows = facts_and_rows(tmp_path / "a.csv")
    assert (facts.rows, len(rows), facts.names) == (30, 30, ["name", "code", "2001", "2002", "2003"])
    assert rows[0] == {"name": "Land 0", "code": "L0", "2001": "0.5", "2002": "0.7", "2003": "8"}
    assert any("above the header are not read" in note for note in facts.notes)


def test_short_first_lines_that_may_be_rows_or_a_header_are_not_dropped(tmp_path: Path) -> None:
    for name, text in {
        "r.csv": "a,b\n" + "".join(f"r{at},{at},{at}\n" for at in range(30)),  # R: no name above the row names
        "row.csv": "only one cell\n" + "".join(f"text {at},more text {at},other {at}\n" for at in range(30)),
    }.items():
        (tmp_path / name).write_text(text)
        source = open_source(tmp_path / name)
        assert source.facts is not None and not source.facts.preamble_lines
        found = list(source.rows_or_errors())
        assert len(found) >= 30, "no row is lost silently"
        assert any(isinstance(row, DataError) for row in found)


@pytest.mark.parametrize("separator", [";", ",", "\t"])
def test_rows_of_separators_at_the_end_are_no_rows(tmp_path: Path, separator: str) -> None:
    lines = ["day,sold,left", "2024-01-01,1,2", ",,", "2024-01-02,3,4", ",,", ",,", ""]
    path = tmp_path / ("a.tsv" if separator == "\t" else "a.csv")
    path.write_text("\n".join(lines).replace(",", separator))
    facts, rows = facts_and_rows(path)
    assert [row["sold"] for row in rows] == ["1", "", "3"], "an empty row between others is a row"
    assert facts.rows == 3


def test_a_title_in_a_workbook(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in [["Sales of 2023"], ["shop", "sold", "left"], *([f"s{at}", at, at + 1] for at in range(20))]:
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    _, rows = facts_and_rows(tmp_path / "a.xlsx")
    assert len(rows) == 20 and rows[1] == {"shop": "s1", "sold": 1, "left": 2}
    book.active.append(["s20", 1, 2, "a remark"])
    book.save(tmp_path / "a.xlsx")
    _, rows = facts_and_rows(tmp_path / "a.xlsx")
    assert len(rows) == 21 and rows[20]["column 4"] == "a remark", "no cell is lost silently"
