"""Alignment of the rows of one series to a regular time grid: sorting, duplicates, resampling, and positions on the grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recurra.data.series import zones
from recurra.data.series.grid import TimeGrid, infer_grid
from recurra.data.series.options import SeriesOptions
from recurra.data.series.resampling import Resampling, aggregate
from recurra.data.series.series import SeriesColumns
from recurra.data.series.time_column import Times
from recurra.data.series.times import DAY, HOUR
from recurra.data.series.zones import Clock
from recurra.data.sources.row_errors import BadRows
from recurra.errors import DataError

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
_RULES = (
    "1s",
    "5s",
    "10s",
    "15s",
    "30s",
    "1min",
    "5min",
    "10min",
    "15min",
    "30min",
    "1h",
    "2h",
    "3h",
    "6h",
    "12h",
    "1d",
    "1w",
)
MAX_STEPS = 10_000_000  # A longer series with a row in fewer than a hundredth of its time steps has a wrong time.


class DuplicateTimesError(DataError):
    """Two rows of one series have the same time, so another column may distinguish several series."""


@dataclass
class RawSeries:
    """The R rows of one series in the order of the file, before alignment.

    name                empty if the table does not name it
    stamps              (R,) timestamps, see `read_times`
    texts               time of each row as text
    row_numbers         row number in the file, from 1
    numbers             (R, C) numeric cells, in the order of `SeriesColumns.numeric`
    static_covariates   one cell per static covariate
    """

    name: str
    stamps: Integers
    texts: Sequence[str]
    row_numbers: Sequence[int]
    numbers: Floats
    static_covariates: tuple[str, ...] = ()

    @property
    def suffix(self) -> str:
        """The name of the series for a message, after a time: ` of series 'a'`."""
        return f" of series {self.name!r}" if self.name else ""


@dataclass
class AlignedRows:
    """R rows at increasing positions of a grid.

    merged   number of rows that were merged with others
    """

    grid: TimeGrid
    positions: Integers  # (R,)
    numbers: Floats  # (R, C)
    merged: int = 0

    @property
    def steps(self) -> int:
        """The number of time steps from the first row to the last row, both included."""
        return int(self.positions[-1] - self.positions[0]) + 1


def align(raw: RawSeries, columns: SeriesColumns, times: Times, bad: BadRows, options: SeriesOptions) -> AlignedRows:
    """Align the rows of a series to a grid.

    Raises DataError with the row number if times are duplicates, are not sorted, or are not on the grid. `bad` collects rows
    that may be skipped.
    """
    column = ", ".join(columns.time) or None
    order = np.argsort(raw.stamps, kind="stable")
    stamps, numbers = raw.stamps[order], raw.numbers[order]
    rule = Resampling.parse(options.resample) if options.resample else None
    if not times.precision and rule:
        raise DataError("resample requires times, but rows are numbered", file=bad.path, field=column)
    merged = 0
    if rule is None and options.duplicates is None:
        stamps, order, numbers = _without_duplicates(raw, columns, times.clock, bad, stamps, order, numbers)
    if not options.sort:
        _check_order(raw, column, bad)
    if rule or options.duplicates:
        count = len(stamps)
        if options.duplicates:
            stamps, first, numbers = aggregate(stamps, numbers, options.duplicates)
            order = order[first]
        if rule:
            clock, stamps = _local_days(times.clock, rule, stamps)
            stamps, first, numbers = aggregate(rule.begins(stamps), numbers, rule.how)
            order = order[first]
            grid = rule.grid(stamps, times.precision, clock)
        merged = count - len(stamps)
    if rule is None:
        grid = infer_grid(stamps, times.precision, times.clock)
    positions, off_grid = grid.positions(stamps)
    if len(off_grid):
        at = int(order[off_grid[0]])
        raise DataError(
            f"{raw.texts[at]}{raw.suffix} is not on the regular time grid: most rows are {grid.name}, and {len(off_grid):,} "
            f"row{'s are' if len(off_grid) > 1 else ' is'} between two time steps. Use --resample, for example --resample "
            f"{_suggested_rule(stamps)}, for the mean of each time step", file=bad.path, row=raw.row_numbers[at], field=column,
        )  # fmt: skip
    aligned = AlignedRows(grid, positions, numbers, merged)
    if aligned.steps > max(MAX_STEPS, 100 * len(positions)):
        widest = int(np.diff(positions).argmax())
        at, previous = int(order[widest + 1]), int(order[widest])
        raise DataError(
            f"{raw.texts[at]} is {positions[widest + 1] - positions[widest]:,} time steps after {raw.texts[previous]}"
            f"{raw.suffix}, although rows are {grid.name}. Correct the time or use --resample for longer time steps",
            file=bad.path, row=raw.row_numbers[at], field=column,
        )  # fmt: skip
    return aligned


def _local_days(clock: Clock, rule: Resampling, stamps: Integers) -> tuple[Clock, Integers]:
    """Return local times for time steps of days and longer, which begin at local midnight."""
    if clock.wall or 0 < rule.length < DAY:
        return clock, stamps
    return replace(clock, wall=True), zones.to_local(stamps, clock.zone)


def _without_duplicates(
    raw: RawSeries,
    columns: SeriesColumns,
    clock: Clock,
    bad: BadRows,
    stamps: Integers,
    order: Integers,
    numbers: Floats,
) -> tuple[Integers, Integers, Floats]:
    """Report duplicate times, and return timestamps, order and numbers without them."""
    duplicates = np.flatnonzero(np.diff(stamps) == 0) + 1
    if not len(duplicates):
        return stamps, order, numbers
    hint = "; use --duplicates mean, first or last"
    if clock.zone == "" and _in_autumn_nights(stamps[duplicates]):
        hint += ", or name the zone of local times with --time-zone, for the end of daylight saving time"
    elif not columns.series:
        hint += ", or name the columns that distinguish several series with --series A,B"
    found, column = BadRows(bad.path, bad.skip), ", ".join(columns.time) or None
    for at, previous in zip(order[duplicates].tolist(), order[duplicates - 1].tolist(), strict=True):
        problem = f"duplicate time {raw.texts[at]}{raw.suffix} (first in row {raw.row_numbers[previous]}){hint}"
        for errors in (found, bad):
            errors.add(raw.row_numbers[at], problem, column)
    try:
        found.settle()
    except DataError as error:
        raise DuplicateTimesError(error.message, file=error.file, row=error.row, field=error.field) from None
    return np.delete(stamps, duplicates), np.delete(order, duplicates), np.delete(numbers, duplicates, 0)


def _in_autumn_nights(stamps: Integers) -> bool:
    """Whether all times are on Sundays before 4 o'clock, from September to November or from March to May."""
    days = stamps // DAY
    months = stamps.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64) % 12 + 1
    return bool(
        ((days + 3) % 7 == 6).all() and (stamps % DAY < 4 * HOUR).all() and np.isin(months, (3, 4, 5, 9, 10, 11)).all()
    )


def _check_order(raw: RawSeries, column: str | None, bad: BadRows) -> None:
    """Raise DataError if the rows are not sorted by time."""
    changes = np.diff(raw.stamps)
    descents = np.flatnonzero(changes < 0)
    if not len(descents):
        return
    at, previous = int(descents[0]) + 1, int(descents[0])
    count = f"{len(descents):,} row{'s' * (len(descents) > 1)} out of order"
    if len(descents) > 1 and (changes <= 0).all():
        count = "from the latest to the earliest"
    raise DataError(
        f"{raw.texts[at]} comes after {raw.texts[previous]}{raw.suffix}: the rows are not sorted by time ({count}). Sort the "
        "rows or use --sort", file=bad.path, row=raw.row_numbers[at], field=column,
    )  # fmt: skip


def _suggested_rule(stamps: Integers) -> str:
    """Return the rule of resampling next to the median distance of the rows."""
    median = max(int(np.median(np.diff(stamps))), 1)
    return min(_RULES, key=lambda rule: abs(np.log(Resampling.parse(rule).length / median)))


@dataclass
class GapSummary:
    """The gaps of all series: time steps that have no row."""

    steps: int = 0  # without a row
    count: int = 0  # of gaps
    longest: int = 0  # in time steps
    location: str = ""  # of the longest gap
    rows: int = 0
    merged: int = 0  # rows that were merged with others

    def add(self, name: str, aligned: AlignedRows) -> None:
        """Count the gaps of a series."""
        self.merged += aligned.merged
        self.rows += len(aligned.positions) + aligned.merged
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

    def messages(self, options: SeriesOptions) -> list[str]:
        """Return the messages about merged rows and gaps."""
        rules = [f"--{name} {value}" for name in ("duplicates", "resample") if (value := getattr(options, name))]
        lines = [f"{self.rows:,} rows are {self.rows - self.merged:,} time steps ({', '.join(rules)})"] if rules else []
        if self.steps:
            lines.append(
                f"{self.count:,} gap{'s' * (self.count > 1)} in time, {self.steps:,} time step{'s' * (self.steps > 1)} without "
                f"a row (longest gap {self.longest:,}: {self.location}), treated as missing values"
            )
        return lines
