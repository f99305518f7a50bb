"""Detection of the roles of columns: by the user's settings, by their names, and by the first 1,000 rows of the table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from recurra.data.series.cells import MISSING, cell, number
from recurra.data.series.series import SeriesColumns
from recurra.data.series.times import parse_time_column
from recurra.data.sources.columns import by_name, counts_rows
from recurra.data.sources.rows import Row, Source
from recurra.errors import DataError

TIME_NAMES = (
    *("time", "date", "datetime", "timestamp", "time_stamp", "ds", "date_time", "month", "day", "year", "hour", "week"),
    *("step", "时间", "日期", "年月", "年份"),
)
TIME_PARTS = ("year", "month", "day", "hour", "minute")
SERIES_NAMES = ("series", "unique_id", "series_id", "item_id", "id", "item", "sensor", "station", "序列", "编号")
UNAMBIGUOUS_SERIES_NAMES = SERIES_NAMES[:4]  # accepted even in a table without a time column
VALUE_NAMES = ("value", "y", "target", "values", "数值")
MIN_NUMERIC_FRACTION = 0.99  # of the non-missing cells of a numeric column that are numbers


def find_columns(
    source: Source,
    *,
    time: str | None = None,
    series: str | None = None,
    targets: str | None = None,
    future_covariates: str | None = None,
    past_covariates: str | None = None,
    static_covariates: str | None = None,
    time_format: str | None = None,
) -> tuple[SeriesColumns, list[str]]:
    """Determine the roles of the columns. Return them and messages about the columns that have no role.

    Each argument is a comma-separated list of column names, or None to detect the columns. Covariates are not detected. Raises
    DataError if a column does not exist, has two roles, or if there is no column to forecast.
    """
    rows = source.first_rows()
    covariates = {
        "future_covariates": parse_column_list(source, future_covariates),
        "past_covariates": parse_column_list(source, past_covariates),
        "static_covariates": parse_column_list(source, static_covariates),
    }
    target_columns = parse_column_list(source, targets)
    assigned = {name for names in (*covariates.values(), target_columns) for name in names}
    if time:
        time_columns = parse_column_list(source, time)
    else:
        time_columns = _find_time(rows, [c for c in source.columns if c not in assigned], time_format)
    free = [column for column in source.columns if column not in {*assigned, *time_columns}]
    series_column = source.need(series) if series else _find_series(rows, free, time_columns)
    messages: list[str] = []
    if not target_columns:
        free = [column for column in free if column != series_column]
        target_columns, messages = _find_targets(source, rows, free, series_column is not None)
    columns = SeriesColumns(time_columns, series_column, target_columns, **covariates)
    if duplicate := next((name for name in columns.all if columns.all.count(name) > 1), None):
        raise DataError(f"the column {duplicate!r} cannot have two roles", file=source.path)
    return columns, messages


def parse_column_list(source: Source, names: str | None) -> tuple[str, ...]:
    """Split a list such as `a, b` into the columns a and b. A column whose own name contains a comma is accepted as it is."""
    if names is None:
        return ()
    if names in source.columns:
        return (names,)
    return tuple(source.need(name.strip()) for name in names.split(",") if name.strip())


def _find_time(rows: Sequence[Row], free: Sequence[str], time_format: str | None) -> tuple[str, ...]:
    """Find year, month, day, ... together; else a column by its name; else the first column whose cells are dates."""
    lower = by_name(free)
    parts = tuple(lower[part] for part in TIME_PARTS if part in lower)
    if len(parts) >= 2 and "year" in lower:
        return parts
    for name in TIME_NAMES:
        if name in lower:
            return (lower[name],)
    for column in free:
        timestamps, precision, first_bad = parse_time_column(_cells(rows, column), time_format)
        if first_bad is None and precision >= 2 and len(timestamps):
            return (column,)
    return ()


def _find_series(rows: Sequence[Row], free: Sequence[str], times: Sequence[str]) -> str | None:
    """Find the column that names the series: by its name, or the only text column that makes duplicate times unique."""
    lower = by_name(free)
    if not times:
        return next((lower[name] for name in UNAMBIGUOUS_SERIES_NAMES if name in lower), None)
    stamps = list(zip(*(_cells(rows, column) for column in times), strict=True))
    if len(set(stamps)) == len(stamps):
        # The first rows may all belong to one long series, so only these names decide.
        named = lower.get("series") or lower.get("unique_id")
        return named if named and len(rows) > 1 else None
    candidates = [lower[name] for name in SERIES_NAMES if name in lower]
    text_columns = [column for column in free if not _is_numeric(_cells(rows, column))]
    unique = [
        column
        for column in dict.fromkeys([*candidates, *text_columns])
        if len(set(zip(stamps, _cells(rows, column), strict=True))) == len(rows)
    ]
    return unique[0] if unique and (unique[0] in candidates or len(unique) == 1) else None


def _find_targets(
    source: Source, rows: Sequence[Row], free: Sequence[str], long_format: bool
) -> tuple[tuple[str, ...], list[str]]:
    """Find the numeric columns, or the single one in long format. Return them and a message about the unused columns."""
    numeric = [column for column in free if _is_numeric(_cells(rows, column))]
    values = [c for c in numeric if c.strip().lower() in VALUE_NAMES or not _counts_rows(_cells(rows, c))]
    numeric = values or numeric  # A column that counts the rows is a target only if it is the only numeric one.
    lower = by_name(numeric)
    named = [lower[name] for name in VALUE_NAMES if name in lower]
    targets = tuple(named[:1]) if named and (long_format or len(numeric) == 1) else tuple(numeric)
    if not targets:
        available = ", ".join(source.columns[:20])
        raise DataError(
            f"no column contains numbers to forecast; name one with --target (columns: {available})", file=source.path
        )
    if long_format and len(targets) > 1:
        raise DataError(
            f"several columns could be the target: {', '.join(map(repr, targets[:4]))}; name one or more with --target A,B",
            file=source.path,
        )
    unused = [column for column in free if column not in targets]
    messages = [f"unused columns: {', '.join(unused[:8])}{', ...' if len(unused) > 8 else ''}"] if unused else []
    return targets, messages


def _cells(rows: Iterable[Row], column: str) -> list[str]:
    return [cell(row, column) for row in rows]


def _is_numeric(cells: Sequence[str]) -> bool:
    present = [text for text in cells if text.strip().lower() not in MISSING]
    return sum(number(text) is not None for text in present) >= MIN_NUMERIC_FRACTION * len(present)


def _counts_rows(cells: Sequence[str]) -> bool:
    values = [value for text in cells if (value := number(text)) is not None]
    return len(values) == len(cells) and counts_rows(values)
