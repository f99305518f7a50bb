"""Tables with one series per row: the values are in columns named by dates or by numbers.

page, 2020-01-01, 2020-01-02, ...        V1, V2, V3, ...
a,    17,         21                     Y1, 5.1, 5.3
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recurra.data.series.cells import cell, cells_of
from recurra.data.series.grid import TimeGrid, infer_grid
from recurra.data.series.options import SeriesOptions
from recurra.data.series.series import SeriesColumns, TimeSeries, TimeSeriesTable
from recurra.data.series.series_roles import series_name
from recurra.data.series.time_column import read_times
from recurra.data.series.time_roles import is_date_column
from recurra.data.series.value_columns import MIN_DATES, MIN_NUMBERED, ValueColumns, value_columns
from recurra.data.sources.numbers import NumberFormat
from recurra.data.sources.row_errors import BadRows, skipped
from recurra.data.sources.rows import Row, Source
from recurra.errors import DataError

_SAMPLE = 20_000  # cells that show the format of the numbers


def find_row_layout(
    source: Source, options: SeriesOptions, keys: tuple[str, ...], static: tuple[str, ...]
) -> tuple[SeriesColumns, list[str]] | None:
    """Return the roles of the columns of a table with one series per row, and messages; None for other tables.

    Raises DataError if a row could be a series or a time step, or if the rows have no names and the layout is required.
    """
    if options.layout == "columns":
        return None
    found = value_columns(source.columns)
    required = options.layout == "rows"
    if found is None:
        if required:
            raise DataError(
                f"layout = rows requires {MIN_DATES} columns named by dates or {MIN_NUMBERED} with consecutive numbers, such "
                "as d_1, d_2, ...", file=source.path,
            )  # fmt: skip
        return None
    rows = source.first_rows()
    cells = cells_of(rows, [column for column in source.columns if column not in found.columns])
    first = [cell(row, found.columns[0]) for row in rows]
    if not found.dated and not keys and not _numeric(first, options.decimal):  # as V1 of M4, which has the names
        cells = {**cells, found.columns[0]: first}
        found = ValueColumns(found.columns[1:], found.times[:-1], False)
    if not found.dated and not required:
        if any(is_date_column(column, cells[column]) for column in cells):
            return None
        sample = rows[:50]
        if not all(_numeric([cell(row, column) for row in sample], options.decimal) for column in found.columns[:50]):
            return None
    keys = keys or _keys(cells, static)
    if not keys or not all(keys):
        if not required and not found.dated:
            return None
        raise DataError("no column names the series of each row; name one or more with --series A,B", file=source.path)
    if not found.dated and not required and all(_numeric(cells[key], options.decimal) for key in keys):
        raise DataError(
            f"each row could be one series, named by {keys[0]}, with the time steps {found.columns[0]} to {found.columns[-1]}, "
            "or the values of one time step; use --layout rows for a series, or --layout columns for a time step",
            file=source.path,
        )  # fmt: skip
    unused = [column for column in cells if column not in (*keys, *static)]
    what = f"{found.columns[0]} to {found.columns[-1]}"
    messages = [f"each row is a series of {len(found.columns):,} time steps, {what}; its name is {', '.join(keys)}"]
    messages += [f"unused columns: {', '.join(unused[:8])}{', ...' if len(unused) > 8 else ''}"] if unused else []
    return SeriesColumns((), keys, (), static_covariates=static, layout="rows"), messages


def _numeric(cells: Sequence[str], decimal: str | None) -> bool:
    """Whether most cells may be numbers; missing cells count as such."""
    formats = [NumberFormat(mark, other) for mark, other in ((".", ","), (",", ".")) if decimal in (None, mark)]
    return 10 * sum(any(one.parse(text) is not None for one in formats) for text in cells) >= 9 * len(cells)


def _keys(cells: dict[str, list[str]], static: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that name the rows: a column of distinct texts, all columns of text, or one of distinct integers."""
    free = {column: values for column, values in cells.items() if column not in static}
    text = [column for column, values in free.items() if not _numeric([v for v in values if v.strip()] or ["0"], None)]
    for column in text:
        if len(set(free[column])) == len(free[column]) and all(value.strip() for value in free[column]):
            return (column,)
    if text and len(set(zip(*(free[column] for column in text), strict=True))) == len(free[text[0]]):
        return tuple(text)
    for column, values in free.items():
        if len(set(values)) == len(values) and all(value.strip().isdigit() for value in values):
            return (column,)
    return ()


def read_row_layout(source: Source, columns: SeriesColumns, options: SeriesOptions) -> TimeSeriesTable:
    """Read a table with one series per row.

    Missing values at the beginning of a row belong to no series; so do those at its end, if the columns are not dates.
    """
    found = value_columns(source.columns, dates=1, numbered=2)
    if found is None:
        raise DataError("the file has no columns named by dates or numbers, as the training file has", file=source.path)
    values = [column for column in found.columns if column not in columns.all]
    labels = found.times[: len(values)] if not found.dated else found.times
    messages: list[str] = []
    if found.dated:
        times = read_times(labels, time_format=options.time_format, known_order=options.time_order)
        stamps, order = times.stamps, times.order
        messages += times.messages
        grid = infer_grid(np.sort(stamps), times.precision, times.clock)
        positions, off_grid = grid.positions(stamps)
        if len(off_grid) or len(np.unique(positions)) < len(positions) or not times.valid.all():
            at = int(off_grid[0]) if len(off_grid) else int((~times.valid).argmax())
            raise DataError(
                f"the column {values[at]!r} is not on the time grid of the others ({grid.name})", file=source.path
            )
    else:
        grid, positions, order = TimeGrid("step", 1, 0, 0), np.arange(len(values)), ""
    positions = positions - positions.min()
    pool = [row.values.get(column) for row in source.first_rows() for column in values][:_SAMPLE]
    formats, notes = options.formats({"values": pool}, source)
    bad, series, seen = BadRows(source.path, options.skip, source.on_skip), list[TimeSeries](), dict[str, int]()
    for row in source.rows():
        one = _series(row, columns, values, positions, grid, formats["values"], bad, found.dated)
        if one is None:
            continue
        if one.name in seen:
            bad.add(row.number, f"the series {one.name!r} is in row {seen[one.name]} already", columns.series[0])
            continue
        seen[one.name] = row.number
        series.append(one)
    bad.settle(others=bool(series))
    messages += notes + ([bad.line()] if bad.count else [])
    if source.broken.count:
        messages.append(skipped(source.broken.count, source.broken.places[0]))
    return TimeSeriesTable(series, columns, source.path, messages, formats=formats, time_order=order)


def _series(
    row: Row,
    columns: SeriesColumns,
    value_names: Sequence[str],
    positions: np.ndarray,
    grid: TimeGrid,
    format: NumberFormat,
    bad: BadRows,
    dated: bool,
) -> TimeSeries | None:
    """Return the series of a row, or None after adding the row to `bad`."""
    name = series_name([cell(row, key) for key in columns.series])
    if not name.strip():
        bad.add(row.number, "the cell is empty, so the series has no name", columns.series[0])
        return None
    numbers = np.full(int(positions.max()) + 1, np.nan)
    for at, column in zip(positions.tolist(), value_names, strict=True):
        value = format.parse(row.values.get(column))
        if value is None:
            bad.add(row.number, format.problem(row.values.get(column)), column)
            return None
        numbers[at] = value
    observed = np.flatnonzero(~np.isnan(numbers))
    begin = int(observed[0]) if len(observed) else 0
    end = len(numbers) if dated or not len(observed) else int(observed[-1]) + 1
    return TimeSeries(
        name=name,
        values=numbers[begin:end],
        grid=grid,
        start=begin,
        future_covariates=np.zeros((end - begin, 0)),
        past_covariates=np.zeros((end - begin, 0)),
        static_covariates=tuple(cell(row, column) for column in columns.static_covariates),
    )
