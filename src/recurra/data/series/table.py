"""Reading of the time series of a table: rows are grouped by series, then aligned to a time grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recurra.data.series.alignment import AlignedRows, GapSummary, RawSeries, align
from recurra.data.series.cells import cell, number
from recurra.data.series.series import SeriesColumns, TimeSeries, TimeSeriesTable
from recurra.data.sources.row_errors import BadRows, skipped
from recurra.data.sources.rows import Row, Source


def read_table(
    source: Source, columns: SeriesColumns, *, time_format: str | None = None, sort: bool = False, skip: bool = False
) -> TimeSeriesTable:
    """Read all series of a table.

    source        the rows
    columns       the roles of the columns
    time_format   format of the time column as in strptime; None for formats that begin with the year
    sort          whether to sort the rows of each series by time
    skip          whether to skip and count rows that cannot be used; otherwise the first one raises DataError
    """
    bad, gaps, series = BadRows(source.path, skip), GapSummary(), list[TimeSeries]()
    for raw in _grouped(source, columns, bad):
        aligned = align(raw, columns, bad, time_format=time_format, sort=sort)
        gaps.add(raw.name, aligned)
        series += _time_series(raw, aligned, columns)
    bad.settle(others=bool(series))
    messages = [gaps.message()] if gaps.steps else []
    messages += [bad.line()] if bad.count else []
    if source.broken.count:
        messages.append(skipped(source.broken.count, source.broken.places[0]))
    return TimeSeriesTable(series, columns, source.path, messages)


def _grouped(source: Source, columns: SeriesColumns, bad: BadRows) -> list[RawSeries]:
    """Group the rows by series, in the order of the file."""
    groups: dict[str, RawSeries] = {}
    for row in source.rows():
        numbers = [number(cell(row, column)) for column in columns.numeric]
        if None in numbers:
            column = columns.numeric[numbers.index(None)]
            bad.add(row.number, f"{row.values.get(column)!r} is not a number", column)
            continue
        name = "" if columns.series is None else cell(row, columns.series)
        if columns.series and not name.strip():
            bad.add(row.number, "the cell is empty, so the row belongs to no series", columns.series)
            continue
        static = tuple(cell(row, column) for column in columns.static_covariates)
        group = groups.setdefault(name, RawSeries(name, static))
        if static != group.static_covariates:
            cells = zip(columns.static_covariates, static, group.static_covariates, strict=True)
            column, new, old = next(one for one in cells if one[1] != one[2])
            problem = f"the value is {new!r}, but {old!r} in an earlier row; a static covariate must be constant"
            bad.add(row.number, problem, column)
            continue
        group.times.append(_time_text(row, columns.time) if columns.time else str(len(group.row_numbers)))
        group.row_numbers.append(row.number)
        group.numbers.append(numbers)  # type: ignore[arg-type]
    return list(groups.values())


def _time_text(row: Row, columns: Sequence[str]) -> str:
    """Return the time of a row as text. Year, month, day, ... are joined."""
    cells = [cell(row, column) for column in columns]
    if len(cells) == 1:
        return cells[0]
    parts = [text.strip().rjust(2, "0") for text in cells]
    if len(parts) == 4:  # A time of day needs minutes.
        parts.append("00")
    return f"{'-'.join(parts[:3])} {':'.join(parts[3:])}".rstrip()


def _time_series(raw: RawSeries, aligned: AlignedRows, columns: SeriesColumns) -> list[TimeSeries]:
    """Return one series per target column. Time steps without a row are NaN."""
    numbers = np.array([raw.numbers[at] for at in aligned.indices.tolist()], np.float64)
    grid_values = np.full((aligned.steps, numbers.shape[1]), np.nan)
    grid_values[aligned.positions - aligned.positions[0]] = numbers
    num_targets, num_future = len(columns.targets), len(columns.future_covariates)
    end = len(grid_values)
    if num_future:  # Trailing rows without any target contain future covariates of the horizon.
        with_target = np.flatnonzero(~np.isnan(grid_values[:, :num_targets]).all(1))
        end = int(with_target[-1]) + 1 if len(with_target) else end
    return [
        TimeSeries(
            name=column if not raw.name else raw.name if num_targets == 1 else f"{raw.name}/{column}",
            values=np.ascontiguousarray(grid_values[:end, at]),
            grid=aligned.grid,
            start=int(aligned.positions[0]),
            future_covariates=np.ascontiguousarray(grid_values[:, num_targets : num_targets + num_future]),
            past_covariates=np.ascontiguousarray(grid_values[:end, num_targets + num_future :]),
            static_covariates=raw.static_covariates,
        )
        for at, column in enumerate(columns.targets)
    ]
