"""Detection of the roles of columns: by the user's settings, by their names, and by the first rows of the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recurra.data.series.cells import cells_of
from recurra.data.series.options import DEFAULT_OPTIONS, SeriesOptions
from recurra.data.series.row_layout import find_row_layout
from recurra.data.series.series import SeriesColumns
from recurra.data.series.series_roles import SERIES_NAMES, find_series
from recurra.data.series.time_roles import TIME_NAMES, find_time, is_redundant_time
from recurra.data.sources.columns import counts_rows
from recurra.data.sources.numbers import NumberFormat
from recurra.data.sources.rows import Row, Source
from recurra.errors import DataError

__all__ = ["SERIES_NAMES", "TIME_NAMES", "find_columns", "parse_column_list"]

VALUE_NAMES = ("value", "y", "target", "values", "数值")
MIN_NUMERIC, MOSTLY_NUMERIC = 0.5, 0.9  # fractions of the present cells of a column that are numbers
Cells = Mapping[str, Sequence[str]]


def find_columns(
    source: Source,
    options: SeriesOptions = DEFAULT_OPTIONS,
    *,
    time: str | None = None,
    series: str | None = None,
    targets: str | None = None,
    future_covariates: str | None = None,
    past_covariates: str | None = None,
    static_covariates: str | None = None,
    rows: Sequence[Row] | None = None,
) -> tuple[SeriesColumns, list[str]]:
    """Determine the roles of the columns. Return them and messages about the columns that have no role.

    Each argument is a comma-separated list of column names, or None to detect the columns. Covariates are not detected. `rows`
    are rows that show the series; by default the first rows. Raises DataError if a column does not exist, has two roles, or if
    there is no column to forecast.
    """
    covariates = {
        "future_covariates": parse_column_list(source, future_covariates),
        "past_covariates": parse_column_list(source, past_covariates),
        "static_covariates": parse_column_list(source, static_covariates),
    }
    target_columns, time_columns = parse_column_list(source, targets), parse_column_list(source, time)
    series_columns = parse_column_list(source, series)
    assigned = {name for names in (*covariates.values(), target_columns, time_columns) for name in names}
    if not assigned - set(covariates["static_covariates"]) and (
        found := find_row_layout(source, options, series_columns, covariates["static_covariates"])
    ):
        return found
    rows = source.first_rows() if rows is None else rows
    cells = cells_of(rows, source.columns)
    formats, _ = options.formats(cells, source)
    if not time:
        time_columns = find_time(
            {c: cells[c] for c in cells if c not in {*assigned, *series_columns}}, options.time_format
        )
    free = [column for column in source.columns if column not in {*assigned, *time_columns}]
    if not series:
        is_text = {column: _numeric_fraction(cells[column], formats[column]) < MIN_NUMERIC for column in free}
        series_columns = find_series({c: cells[c] for c in free}, [cells[c] for c in time_columns], is_text)
    messages: list[str] = []
    if not target_columns:
        free = [column for column in free if column not in series_columns]
        target_columns, messages = _find_targets(
            source, rows, {c: cells[c] for c in free}, formats, bool(series_columns)
        )
    columns = SeriesColumns(
        time_columns,
        series_columns,
        target_columns,
        covariates["future_covariates"],
        covariates["past_covariates"],
        covariates["static_covariates"],
    )
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


def _find_targets(
    source: Source, rows: Sequence[Row], cells: Cells, formats: Mapping[str, NumberFormat], long_format: bool
) -> tuple[tuple[str, ...], list[str]]:
    """Find the numeric columns, or the single one in long format. Return them and messages about the unused columns."""
    fractions = {column: _numeric_fraction(cells[column], formats[column]) for column in cells}
    numeric = [column for column in cells if fractions[column] >= MIN_NUMERIC]
    times = [column for column in numeric if is_redundant_time(column, cells[column])]
    numeric = [column for column in numeric if column not in times]
    values = [c for c in numeric if c.strip().lower() in VALUE_NAMES or not _counts_rows(cells[c], formats[c])]
    numeric = values or numeric  # A column that counts the rows is a target only if it is the only numeric one.
    messages: list[str] = []
    for column in [column for column in numeric if fractions[column] < 1]:
        row, problem = _first_problem(rows, column, formats[column])
        if fractions[column] >= MOSTLY_NUMERIC:
            continue  # The cell is reported when it is read.
        numeric.remove(column)
        messages.append(f"unused: {column}, since {problem} (row {row}); with --target, such rows are errors")
    targets = _preferred(numeric, long_format)
    if not targets:
        available = ", ".join(source.columns[:20])
        reason = f"; {messages[0]}" if messages else ""
        raise DataError(
            f"no column contains numbers to forecast{reason}; name one with --target (columns: {available})",
            file=source.path,
        )
    if long_format and len(targets) > 1:
        raise DataError(
            f"several columns could be the target: {', '.join(map(repr, targets[:4]))}; name one or more with --target A,B",
            file=source.path,
        )
    if times:
        messages.append(f"not forecast, since they are times: {_listed(times)}")
    named = {*times, *(message.split(",")[0].removeprefix("unused: ") for message in messages)}
    unused = [column for column in cells if column not in {*targets, *named}]
    if unused:
        messages.insert(0, f"unused columns: {_listed(unused)}")
    return targets, messages


def _preferred(numeric: Sequence[str], long_format: bool) -> tuple[str, ...]:
    """Return the numeric columns, or in long format the one with a usual name of values."""
    named = [column for name in VALUE_NAMES for column in numeric if column.strip().lower() == name]
    return tuple(named[:1]) if named and long_format else tuple(numeric)


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(columns[:8]) + (", ..." if len(columns) > 8 else "")


def _numeric_fraction(cells: Sequence[str], format: NumberFormat) -> float:
    """Return the fraction of the cells that are numbers, among those that are not missing; 0 if all are missing."""
    present = [text for text in cells if not format.is_missing(text)]
    return sum(format.parse(text) is not None for text in present) / len(present) if present else 0.0


def _first_problem(rows: Sequence[Row], column: str, format: NumberFormat) -> tuple[int, str]:
    """Return the number of the first row whose cell is not a number, and what is wrong with it."""
    row = next(row for row in rows if format.parse(row.values.get(column)) is None)
    return row.number, format.problem(row.values.get(column))


def _counts_rows(cells: Sequence[str], format: NumberFormat) -> bool:
    values = [value for text in cells if (value := format.parse(text)) is not None]
    return len(values) == len(cells) and counts_rows(values)
