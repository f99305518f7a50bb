"""Reading of the time series of a table: rows are grouped by series, then aligned to a time grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recurra.data.series.alignment import AlignedRows, GapSummary, RawSeries, align
from recurra.data.series.cells import cell, cells_of
from recurra.data.series.options import DEFAULT_OPTIONS, SeriesOptions
from recurra.data.series.row_layout import read_row_layout
from recurra.data.series.sentinels import sentinel_messages
from recurra.data.series.series import SeriesColumns, TimeSeries, TimeSeriesTable
from recurra.data.series.series_roles import series_name
from recurra.data.series.time_cells import join_times
from recurra.data.series.time_column import Times, read_times
from recurra.data.sources.numbers import NumberFormat
from recurra.data.sources.row_errors import BadRows, skipped
from recurra.data.sources.rows import Row, Source
from recurra.errors import DataError

Floats = NDArray[np.float64]


@dataclass
class _Rows:
    """The usable rows of a file, in its order."""

    keys: list[tuple[str, ...]] = field(default_factory=list)
    times: list[list[str]] = field(default_factory=list)  # the cells, by time column
    row_numbers: list[int] = field(default_factory=list)
    numbers: list[list[float]] = field(default_factory=list)


@dataclass
class _Group:
    """A series that was found in the rows: its name, its static covariates, and the indices of its rows."""

    name: str
    static: tuple[str, ...]
    rows: list[int] = field(default_factory=list)


def read_table(source: Source, columns: SeriesColumns, options: SeriesOptions = DEFAULT_OPTIONS) -> TimeSeriesTable:
    """Read all series of a table. Raises DataError for rows that cannot be used, unless they are skipped."""
    if columns.layout == "rows":
        return read_row_layout(source, columns, options)
    with_numbers = [*columns.numeric, *columns.static_covariates]
    formats, messages = options.formats(cells_of(source.first_rows(), with_numbers), source)
    bad = BadRows(source.path, options.skip, source.on_skip)
    rows, groups = _grouped(source, columns, formats, bad)
    times, texts = _times(rows, columns, bad, options)
    gaps, series = GapSummary(), list[TimeSeries]()
    numbers = np.array(rows.numbers, np.float64).reshape(len(rows.numbers), len(columns.numeric))
    for group in groups:
        used = np.array([at for at in group.rows if times.valid[at]], np.int64)
        if not len(used):
            continue
        stamps = times.stamps[used] if columns.time else np.arange(len(used))
        chosen = [texts[at] for at in used.tolist()] if columns.time else list(map(str, range(len(used))))
        row_numbers = [rows.row_numbers[at] for at in used.tolist()]
        raw = RawSeries(group.name, stamps, chosen, row_numbers, numbers[used], group.static)
        aligned = align(raw, columns, times.of_series(used), bad, options)
        gaps.add(raw.name, aligned)
        series += _time_series(raw, aligned, columns)
    bad.settle(others=bool(series))
    messages += [*times.messages, *gaps.messages(options)]
    messages += sentinel_messages(
        {column: numbers[:, at] for at, column in enumerate(columns.numeric)}, rows.row_numbers
    )
    messages += [bad.line()] if bad.count else []
    if source.broken.count:
        messages.append(skipped(source.broken.count, source.broken.places[0]))
    return TimeSeriesTable(series, columns, source.path, messages, formats=formats, time_order=times.order)


def _grouped(
    source: Source, columns: SeriesColumns, formats: dict[str, NumberFormat], bad: BadRows
) -> tuple[_Rows, list[_Group]]:
    """Read the rows and group them by series, in the order of the file."""
    rows, groups, names = (
        _Rows(times=[[] for _ in columns.time]),
        dict[tuple[str, ...], _Group](),
        dict[str, tuple[str, ...]](),
    )
    for row in source.rows():
        numbers = [formats[column].parse(row.values.get(column)) for column in columns.numeric]
        if None in numbers:
            column = columns.numeric[numbers.index(None)]
            bad.add(row.number, formats[column].problem(row.values.get(column)), column)
            continue
        key = tuple(cell(row, column) for column in columns.series)
        if key and not any(text.strip() for text in key):
            bad.add(row.number, "the cell is empty, so the row belongs to no series", columns.series[0])
            continue
        static = tuple(_static_cell(cell(row, column), formats[column]) for column in columns.static_covariates)
        group = groups.get(key)
        if group is None:
            name = series_name(key) if key else ""
            if name in names:
                raise row.error(f"two series have the name {name!r}: {names[name]} and {key}", columns.series[0])
            names[name] = key
            group = groups[key] = _Group(name, static)
        if problem := _changed(row, columns, static, group.static):
            bad.add(row.number, *problem)
            continue
        group.rows.append(len(rows.row_numbers))
        for cells, column in zip(rows.times, columns.time, strict=True):
            cells.append(cell(row, column))
        rows.keys.append(key)
        rows.row_numbers.append(row.number)
        rows.numbers.append(numbers)  # type: ignore[arg-type]
    return rows, list(groups.values())


def _static_cell(text: str, format: NumberFormat) -> str:
    """Return a static covariate: text, or a number without thousands separators and units."""
    if format.decimal == "." and not format.thousands and not format.unit:
        return text
    value = format.parse(text)
    return text if value is None or np.isnan(value) else f"{value:.15g}"


def _changed(row: Row, columns: SeriesColumns, new: tuple[str, ...], old: tuple[str, ...]) -> tuple[str, str] | None:
    """Return the message about a static covariate that changes, and its column."""
    for column, one, other in zip(columns.static_covariates, new, old, strict=True):
        if one != other:
            return f"the value is {one!r}, but {other!r} in an earlier row; a static covariate must be constant", column
    return None


def _times(rows: _Rows, columns: SeriesColumns, bad: BadRows, options: SeriesOptions) -> tuple[Times, Sequence[str]]:
    """Read the times of all rows, and return them and their text. Without a time column, rows are time steps."""
    count = len(rows.row_numbers)
    if not columns.time or not count:
        return Times(np.arange(count), np.ones(count, np.bool_), 0), []
    texts = join_times(columns.time, options.time_format)(rows.times)
    name = ", ".join(columns.time)
    try:
        times = read_times(
            texts, time_format=options.time_format, time_zone=options.time_zone, known_order=options.time_order,
            groups=rows.keys,
        )  # fmt: skip
    except DataError as error:
        raise DataError(error.message, file=bad.path, field=name) from None
    invalid = np.flatnonzero(~times.valid).tolist()
    for at in invalid:
        bad.add(rows.row_numbers[at], f"{texts[at]!r} {times.problem}", name)
    if invalid:
        bad.settle(others=len(invalid) < count)
    return times, texts


def _time_series(raw: RawSeries, aligned: AlignedRows, columns: SeriesColumns) -> list[TimeSeries]:
    """Return one series per target column. Time steps without a row are NaN."""
    grid_values = np.full((aligned.steps, aligned.numbers.shape[1]), np.nan)
    grid_values[aligned.positions - aligned.positions[0]] = aligned.numbers
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
