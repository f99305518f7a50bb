"""Alignment of the rows of one series to a regular time grid: parsing times, sorting, and positions on the grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.data.series.series import SeriesColumns
from recurra.data.series.times import TimeGrid, infer_grid, parse_step, parse_time, parse_time_column
from recurra.data.sources.row_errors import BadRows
from recurra.errors import DataError

Integers = NDArray[np.int64]
MAX_STEPS = 10_000_000  # A longer series with a row in fewer than a hundredth of its time steps has a wrong time.


@dataclass
class RawSeries:
    """The rows of one series in the order of the file, before alignment.

    times         time of each row as text
    row_numbers   row number in the file, from 1
    numbers       numeric cells of each row, in the order of `SeriesColumns.numeric`
    """

    name: str
    static_covariates: tuple[str, ...] = ()
    times: list[str] = field(default_factory=list)
    row_numbers: list[int] = field(default_factory=list)
    numbers: list[list[float]] = field(default_factory=list)

    @property
    def suffix(self) -> str:
        """The name of the series for a message, after a time: ` of series 'a'`."""
        return f" of series {self.name!r}" if self.name else ""


class AlignedRows(NamedTuple):
    """R rows at increasing positions of a grid."""

    grid: TimeGrid
    positions: Integers  # (R,)
    indices: Integers  # (R,) indices into the lists of the `RawSeries`

    @property
    def steps(self) -> int:
        """The number of time steps from the first row to the last row, both included."""
        return int(self.positions[-1] - self.positions[0]) + 1


def align(raw: RawSeries, columns: SeriesColumns, bad: BadRows, *, time_format: str | None, sort: bool) -> AlignedRows:
    """Align the rows of a series to a grid.

    Raises DataError with the row number if times cannot be parsed, are not sorted, are duplicates, or are not on the grid.
    `bad` collects rows that may be skipped. If `sort` is true, rows are sorted by time first.
    """
    column = ", ".join(columns.time) or None
    indices, timestamps, precision = _parse_times(raw, column, bad, time_format)
    descents = np.flatnonzero(np.diff(timestamps) < 0)
    if len(descents) and not sort:
        at, previous = indices[descents[0] + 1], indices[descents[0]]
        raise DataError(
            f"{raw.times[at]} comes after {raw.times[previous]}{raw.suffix}: the rows are not sorted by time "
            f"({len(descents):,} row{'s' * (len(descents) > 1)} out of order). Sort the rows or use --sort",
            file=bad.path, row=raw.row_numbers[at], field=column,
        )  # fmt: skip
    order = np.argsort(timestamps, kind="stable")
    timestamps, indices = timestamps[order], indices[order]
    duplicates = np.flatnonzero(np.diff(timestamps) == 0) + 1
    hint = "" if columns.series else "; if a column distinguishes several series, name it with --series"
    for at, previous in zip(indices[duplicates], indices[duplicates - 1], strict=True):
        problem = f"duplicate time {raw.times[at]}{raw.suffix} (first in row {raw.row_numbers[previous]}){hint}"
        bad.add(raw.row_numbers[at], problem, column)
    if len(duplicates):
        bad.settle()
        timestamps, indices = np.delete(timestamps, duplicates), np.delete(indices, duplicates)
    grid = infer_grid(timestamps, precision)
    positions, off_grid = grid.positions(timestamps)
    if len(off_grid):
        at = indices[off_grid[0]]
        raise DataError(
            f"{raw.times[at]}{raw.suffix} is not on the regular time grid: most rows are {grid.name}, and {len(off_grid):,} "
            "rows are between two time steps. Resample the rows to equal time steps first, for example to the mean of each",
            file=bad.path, row=raw.row_numbers[at], field=column,
        )  # fmt: skip
    aligned = AlignedRows(grid, positions, indices)
    if aligned.steps > max(MAX_STEPS, 100 * len(indices)):
        widest = int(np.diff(positions).argmax())
        at, previous = indices[widest + 1], indices[widest]
        raise DataError(
            f"{raw.times[at]} is {positions[widest + 1] - positions[widest]:,} time steps after {raw.times[previous]}"
            f"{raw.suffix}, although rows are {grid.name}. Correct the time or resample the rows to longer time steps",
            file=bad.path, row=raw.row_numbers[at], field=column,
        )  # fmt: skip
    return aligned


def _parse_times(
    raw: RawSeries, column: str | None, bad: BadRows, time_format: str | None
) -> tuple[Integers, Integers, int]:
    """Return (indices of the rows whose time can be parsed, their timestamps, precision)."""
    timestamps, precision, first_bad = parse_time_column(raw.times, time_format)
    if first_bad is None:
        return np.arange(len(raw.row_numbers)), timestamps, precision
    valid = _parsable(raw.times, time_format)
    if bad.skip and valid:
        reason = "is not a time"
    elif time_format:
        reason = f"does not have the format {time_format!r}"
    else:
        reason = "is not a time such as 2020-01-31 12:00; describe other formats with --time-format '%d/%m/%Y'"
    for at in sorted(set(range(len(raw.row_numbers))) - set(valid)):
        bad.add(raw.row_numbers[at], f"{raw.times[at]!r} {reason}", column)
    bad.settle(others=bool(valid))
    timestamps, precision, _ = parse_time_column([raw.times[at] for at in valid], time_format)
    return np.array(valid), timestamps, precision


def _parsable(cells: Sequence[str], time_format: str | None) -> list[int]:
    """Return the indices of the cells that are dates, or of those that are integers, whichever are more."""
    dates = [at for at, text in enumerate(cells) if parse_time(text, time_format) is not None]
    steps = [] if time_format else [at for at, text in enumerate(cells) if parse_step(text) is not None]
    return max(dates, steps, key=len)


@dataclass
class GapSummary:
    """The gaps of all series: time steps that have no row."""

    steps: int = 0  # without a row
    count: int = 0  # of gaps
    longest: int = 0  # in time steps
    location: str = ""  # of the longest gap

    def add(self, name: str, aligned: AlignedRows) -> None:
        """Count the gaps of a series."""
        distances = np.diff(aligned.positions)
        gaps = np.flatnonzero(distances > 1)
        if not len(gaps):
            return
        self.steps += int((distances[gaps] - 1).sum())
        self.count += len(gaps)
        widest = int(gaps[distances[gaps].argmax()])
        if distances[widest] - 1 > self.longest:
            self.longest = int(distances[widest] - 1)
            time = aligned.grid.format(aligned.positions[widest : widest + 1])[0]
            self.location = f"{name and name + ', '}after {time}"

    def message(self) -> str:
        """Return the message about the gaps."""
        return (
            f"{self.count:,} gap{'s' * (self.count > 1)} in time, {self.steps:,} time step{'s' * (self.steps > 1)} without a "
            f"row (longest gap {self.longest:,}: {self.location}), treated as missing values"
        )
