"""Long tables of measurements: each row is one time step, and a column has the ID of its series.

    id,t,ax,ay,label
    a,0,0.1,2.0,walk          Grouped(source, "id", ["ax", "ay"], "window", same=["label"]) has one row per series:
    a,1,0.3,1.5,walk
    b,0,0.7,0.2,run           window [[0.1, 2.0], [0.3, 1.5]], label walk      window [[0.7, 0.2]], label run

The rows of a series must be contiguous and in order, so that only one series is in memory at a time. With a time column rows
may have any order: an additional pass counts the rows of each series, which is in memory from its first row to its last.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from recurra.data.series.times import DAY, SECOND, ordinal, scan
from recurra.data.sources.numbers import NumberFormat
from recurra.data.sources.rows import Row, Source
from recurra.errors import DataError

Floats = NDArray[np.float64]
Time = tuple[bool, int | float]  # whether it is a date; microseconds since 1970, or the number itself

_PLAIN = NumberFormat()


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """The time steps of one series.

    Attributes:
        series: the ID of the series.
        steps: the numbers, (T, C).
        error: the error, where the series cannot be used; `steps` is then empty.
    """

    series: str
    steps: Floats
    error: DataError | None = None


@dataclass(slots=True)
class _OpenSeries:
    """A series that is being read."""

    name: str
    first: Row
    last: int = 0  # row number of its latest row
    numbers: array[float] = field(default_factory=lambda: array("d"))
    rows: array[int] = field(default_factory=lambda: array("q"))
    times: list[Time] = field(default_factory=list)
    error: DataError | None = None  # the first error; one is enough to skip the series


class Grouped(Source):
    """A source with one row per series: the columns `same`, and a column of `Window` objects.

    The error of a series is in its window, so that a reader can skip the series. A row without an ID invalidates the series
    before and after it. A series that is not contiguous raises DataError, because its first part has been returned already.

    Args:
        inner: the long table.
        by: the column of the ID of the series.
        channels: the columns of the numbers of a time step.
        window: the name of the column of windows.
        same: the columns that have one value for each series.
        time: the column that orders the time steps; None: the order of the rows.
        formats: the formats of the numbers, by channel; None: plain numbers.
    """

    def __init__(
        self,
        inner: Source,
        by: str,
        channels: Sequence[str],
        window: str,
        *,
        same: Sequence[str] = (),
        time: str | None = None,
        formats: Mapping[str, NumberFormat] | None = None,
    ) -> None:
        super().__init__(inner.path, inner.name, encoding=inner.encoding, skip_broken=inner.skip_broken)
        self.share_facts(inner)
        if window in same:
            raise DataError(
                f"the column name {window!r} is reserved for the windows; rename the column", file=inner.path
            )
        self.inner, self.format, self.window = inner, inner.format, window
        self.by, self.time = inner.need(by), time and inner.need(time)
        self.formats = formats or {}
        self.channels, self.same = [inner.need(column) for column in channels], [inner.need(column) for column in same]

    @property
    def columns(self) -> list[str]:
        """The columns `same` and the column of windows."""
        return [*self.same, *([self.window] if self.channels else [])]

    def first_rows(self) -> list[Row]:
        """Return the first rows of the long table, because 1,000 series might be the whole file."""
        return self.inner.first_rows()

    @cached_property
    def _counts(self) -> Counter[str]:
        """The number of rows of each series."""
        names = (self._series_id(row) for row in self.inner._read())
        return Counter(name for name in names if isinstance(name, str))

    def _series_id(self, row: Row | DataError) -> str | DataError:
        if isinstance(row, DataError):
            return row
        name = row.values.get(self.by)
        text = "" if name is None else str(name).strip()
        return text or row.error("has no series ID", self.by)

    def _read(self) -> Iterator[Row | DataError]:
        counts = self._counts if self.time is not None else None
        open_series: dict[str, _OpenSeries] = {}
        ended: dict[str, int] = {}  # the last row of each
        current: _OpenSeries | None = None
        lost: DataError | None = None  # the error of a row whose series is unknown
        for row in self.inner._read():
            name = self._series_id(row)
            if isinstance(name, DataError):
                lost = lost or name
                if current is not None:
                    _mark_incomplete(current, name)
                continue
            assert isinstance(row, Row)
            if (
                current is not None
                and current.name != name
                and (not counts or len(current.rows) == counts[current.name])
            ):
                ended[current.name] = current.last
                yield self._row(open_series.pop(current.name))
            if name in ended:
                raise row.error(
                    f"the series {name!r} ended in row {ended[name]}: the rows of a series must be contiguous. "
                    "Sort the file by this column, or name the column that orders the time steps with --time",
                    self.by,
                )
            if name not in open_series:
                open_series[name] = _OpenSeries(name, row)
            current = open_series[name]
            if lost is not None:
                _mark_incomplete(current, lost)
                lost = None
            self._add(current, row)
        if current is None and lost is not None:
            yield lost
        for series in open_series.values():
            yield self._row(series)

    def _add(self, series: _OpenSeries, row: Row) -> None:
        series.last = row.number
        series.rows.append(row.number)
        if series.error is not None:
            return
        series.error = self._constant_error(series, row)
        for column in self.channels:
            format = self.formats.get(column, _PLAIN)
            value = format.parse(row.values.get(column))
            if value is None or value != value:
                problem = number_problem(row.values.get(column), column, format)
                series.error = series.error or self._error(row, f"{problem}, in series {series.name!r}")
                return
            series.numbers.append(value)
        if self.time is not None and series.error is None:
            series.error = self._add_time(series, row, self.time)

    def _constant_error(self, series: _OpenSeries, row: Row) -> DataError | None:
        for column in self.same:
            value, first = row.values.get(column), series.first.values.get(column)
            if value != first and str(value).strip() != str(first).strip():
                problem = (
                    f"has {str(value)[:40]!r} in column {column!r}, but row {series.first.number} of the same series"
                )
                return self._error(row, f"{problem} {series.name!r} has {str(first)[:40]!r}")
        return None

    def _add_time(self, series: _OpenSeries, row: Row, column: str) -> DataError | None:
        cell = row.values.get(column)
        time = parse_time(cell)
        if time is None:
            return self._error(
                row,
                f"has {str(cell)[:40]!r} in column {column!r}, which is not a time such as 12.5 or 2020-01-31 12:00:00.5, "
                f"in series {series.name!r}",
            )
        if series.times and series.times[0][0] != time[0]:
            types = ("a date, but a number" if time[0] else "a number, but a date") + f" in row {series.rows[0]}"
            return self._error(
                row, f"has {str(cell)[:40]!r} in column {column!r}, {types} of the same series {series.name!r}"
            )
        series.times.append(time)
        return None

    def _row(self, series: _OpenSeries) -> Row:
        """Return the row of a complete series."""
        steps = np.zeros((0, len(self.channels)))
        if series.error is None:
            steps = np.frombuffer(series.numbers).reshape(len(series.rows), len(self.channels))
        if series.error is None and self.time is not None:
            order = sorted(range(len(series.times)), key=series.times.__getitem__)
            steps = steps[order]
            if repeated := next(((a, b) for a, b in pairwise(order) if series.times[a] == series.times[b]), None):
                first = series.rows[repeated[0]]
                problem = f"repeats the time in column {self.time!r} of row {first} of series {series.name!r}"
                series.error = self._error(Row(series.rows[repeated[1]], {}, series.first.file), problem)
        number, line = series.first.number, series.first.line
        if series.error is not None:  # its message has the line already
            number, line = series.error.row or number, None
        values = {column: series.first.values.get(column) for column in self.same}
        values[self.window] = Window(series.name, steps, series.error)
        return Row(number, values, series.first.file, line)

    def _error(self, row: Row, problem: str) -> DataError:
        return row.error(problem, self.window)


def _mark_incomplete(series: _OpenSeries, lost: DataError) -> None:
    message = f"{lost.message}; the adjacent series {series.name!r} may lack a time step"
    series.error = series.error or DataError(message, file=lost.file, row=lost.row, field=lost.field)


def number_problem(cell: object, column: str, format: NumberFormat) -> str:
    """Return the problem of a cell that is not a number in some format, or is a missing value."""
    if cell is None or not str(cell).strip():
        return f"has an empty cell in column {column!r}"
    reason = "is a missing value" if format.is_missing(cell) else format.reason(cell)
    return f"has {str(cell)[:40]!r} in column {column!r}, which {reason}"


def parse_time(cell: object) -> Time | None:
    """Parse a number, or a time that begins with the year (2020-01-31 12:00:00.5, 2020Q1); None for anything else."""
    text = str(cell).strip()
    try:
        return False, int(text)  # nanoseconds since 1970 have more digits than a float
    except ValueError:
        value = _PLAIN.parse(text)
        if value is not None:
            return None if value != value else (False, value)
    one = scan(text)
    days = ordinal(*one.numbers) if one is not None and one.notation != "triple" else None
    if one is None or days is None:
        return None
    return True, days * DAY + one.time - (one.offset or 0) * SECOND
