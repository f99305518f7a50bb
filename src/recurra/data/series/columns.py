"""Which column of a table of series is what: by what was asked, by its name, else by a look at the first 1,000 rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from recurra.data.series.cells import MISSING, cell, number
from recurra.data.series.series import Columns
from recurra.data.series.times import read_column
from recurra.data.sources.columns import by_name, counts_rows
from recurra.data.sources.rows import Row, Source
from recurra.errors import DataError

TIME_NAMES = (
    *("time", "date", "datetime", "timestamp", "time_stamp", "ds", "date_time", "month", "day", "year", "hour", "week"),
    *("step", "时间", "日期", "年月", "年份"),
)
TIME_PARTS = ("year", "month", "day", "hour", "minute")
SERIES_NAMES = ("series", "unique_id", "series_id", "item_id", "id", "item", "sensor", "station", "序列", "编号")
SURE_SERIES = SERIES_NAMES[:4]  # that name a series also where there is no time, whose repetition would tell
VALUE_NAMES = ("value", "y", "target", "values", "数值")
NUMERIC = 0.99  # share of a column's filled cells that are numbers, or it is no column of numbers


def find_columns(
    source: Source,
    *,
    time: str | None = None,
    series: str | None = None,
    targets: str | None = None,
    known: str | None = None,
    past: str | None = None,
    static: str | None = None,
    form: str | None = None,
) -> tuple[Columns, list[str]]:
    """The columns by what was asked, their names, and a look at the first rows; and lines that say what was left out."""
    rows = source.first_rows()
    given = {"known": listed(source, known), "past": listed(source, past), "static": listed(source, static)}
    asked = listed(source, targets)
    taken = {name for names in (*given.values(), asked) for name in names}
    times = listed(source, time) if time else _find_time(rows, [c for c in source.columns if c not in taken], form)
    free = [column for column in source.columns if column not in {*taken, *times}]
    by = source.need(series) if series else _find_series(rows, free, times)
    lines: list[str] = []
    if not asked:
        asked, lines = _find_targets(source, rows, [column for column in free if column != by], by is not None)
    found = Columns(times, by, asked, **given)
    if again := next((name for name in found.all if found.all.count(name) > 1), None):
        raise DataError(f"the column {again!r} cannot be two things at once", file=source.path)
    return found, lines


def listed(source: Source, asked: str | None) -> tuple[str, ...]:
    """`a, b` -> the columns a and b; a column whose name holds a comma is found whole."""
    if asked is None:
        return ()
    if asked in source.columns:
        return (asked,)
    return tuple(source.need(name.strip()) for name in asked.split(",") if name.strip())


def _find_time(rows: Sequence[Row], free: Sequence[str], form: str | None) -> tuple[str, ...]:
    """Year, month, day, ... as one; a column by its name, whatever it holds; else the first whose cells read as dates."""
    lower = by_name(free)
    parts = tuple(lower[part] for part in TIME_PARTS if part in lower)
    if len(parts) >= 2 and "year" in lower:
        return parts
    for name in TIME_NAMES:
        if name in lower:
            return (lower[name],)
    for column in free:
        moments, rank, bad = read_column(_cells(rows, column), form)
        if bad is None and rank >= 2 and len(moments):
            return (column,)
    return ()


def _find_series(rows: Sequence[Row], free: Sequence[str], times: Sequence[str]) -> str | None:
    """A column that names the series: by its name, or the one column of words that makes repeated times unique."""
    lower = by_name(free)
    if not times:
        return next((lower[name] for name in SURE_SERIES if name in lower), None)
    stamps = list(zip(*(_cells(rows, column) for column in times), strict=True))
    if len(set(stamps)) == len(stamps):
        head = lower.get("series") or lower.get("unique_id")  # a look at one long series cannot tell
        return head if head and len(rows) > 1 else None
    named = [lower[name] for name in SERIES_NAMES if name in lower]
    words = [column for column in free if not _numeric(_cells(rows, column))]
    fits = [
        c for c in dict.fromkeys([*named, *words]) if len(set(zip(stamps, _cells(rows, c), strict=True))) == len(rows)
    ]
    return fits[0] if fits and (fits[0] in named or len(fits) == 1) else None


def _find_targets(
    source: Source, rows: Sequence[Row], free: Sequence[str], long: bool
) -> tuple[tuple[str, ...], list[str]]:
    """The columns of numbers, of a long table the one; and a line that names the columns that are nothing."""
    numeric = [column for column in free if _numeric(_cells(rows, column))]
    plain = [c for c in numeric if c.strip().lower() in VALUE_NAMES or not _counts_rows(_cells(rows, c))]
    numeric = plain or numeric  # what counts the rows is no series, unless there is no other
    lower = by_name(numeric)
    named = [lower[name] for name in VALUE_NAMES if name in lower]
    found = tuple(named[:1]) if named and (long or len(numeric) == 1) else tuple(numeric)
    if not found:
        there = ", ".join(source.columns[:20])
        raise DataError(
            f"no column holds numbers to forecast; name it with --target (there are {there})", file=source.path
        )
    if long and len(found) > 1:
        raise DataError(
            f"the values of the series could be {' or '.join(map(repr, found[:4]))}; name them with --target A,B",
            file=source.path,
        )
    left = [column for column in free if column not in found]
    return found, [f"columns left out: {', '.join(left[:8])}{', ...' if len(left) > 8 else ''}"] if left else []


def _cells(rows: Iterable[Row], column: str) -> list[str]:
    return [cell(row, column) for row in rows]


def _numeric(cells: Sequence[str]) -> bool:
    filled = [text for text in cells if text.strip().lower() not in MISSING]
    return sum(number(text) is not None for text in filled) >= NUMERIC * len(filled)


def _counts_rows(cells: Sequence[str]) -> bool:
    values = [value for text in cells if (value := number(text)) is not None]
    return len(values) == len(cells) and counts_rows(values)
