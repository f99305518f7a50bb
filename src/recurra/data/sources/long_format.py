"""Long tables of measurements: a row is one step, and a column says to which series it belongs.

    id,t,ax,ay,label
    a,0,0.1,2.0,walk          Grouped(source, "id", ["ax", "ay"], "window", same=["label"]) has a row a series:
    a,1,0.3,1.5,walk
    b,0,0.7,0.2,run           window [[0.1, 2.0], [0.3, 1.5]], label walk      window [[0.7, 0.2]], label run

Rows of a series stand together, in order, and one series at a time is held. With a column of time they may stand anywhere:
a pass before counts the rows of each series, which is held from its first row to its last.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from recurra.data.sources.columns import number
from recurra.data.sources.rows import Row, Source
from recurra.errors import DataError

Floats = NDArray[np.float64]
Moment = tuple[bool, int | float]  # whether it is a date, and microseconds since 1970 or the number itself

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """The steps (T, C) of one series, or what is wrong with it."""

    series: str
    steps: Floats
    wrong: DataError | None = None


@dataclass(slots=True)
class _Open:
    """A series that more rows may come of."""

    name: str
    first: Row
    last: int = 0  # number of its latest row
    numbers: array[float] = field(default_factory=lambda: array("d"))
    rows: array[int] = field(default_factory=lambda: array("q"))
    times: list[Moment] = field(default_factory=list)
    wrong: DataError | None = None  # the first fault; one is enough to leave a series out


class Grouped(Source):
    """One row a series: the columns `same`, which its rows agree in, and `window`, a `Window` of its `channels`.

    What is wrong with a series stands in its window, so that who reads may go on without it; a row that says no series
    spoils the one before and the one after. A series that comes back raises DataError: half of it is gone by then.
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
    ) -> None:
        super().__init__(inner.path, inner.name, encoding=inner.encoding, skip_broken=inner.skip_broken)
        if window in same:
            raise DataError(f"the column {window!r} has the name that windows have here; rename it", file=inner.path)
        self.inner, self.format, self.window = inner, inner.format, window
        self.by, self.time = inner.need(by), time and inner.need(time)
        self.channels, self.same = [inner.need(column) for column in channels], [inner.need(column) for column in same]

    @property
    def columns(self) -> list[str]:
        return [*self.same, *([self.window] if self.channels else [])]

    def look(self) -> list[Row]:
        """The first rows of the file: as many series might be all there are."""
        return self.inner.look()

    @cached_property
    def _counts(self) -> Counter[str]:
        """The rows of each series."""
        names = (self._series(row) for row in self.inner._read())
        return Counter(name for name in names if isinstance(name, str))

    def _series(self, row: Row | DataError) -> str | DataError:
        if isinstance(row, DataError):
            return row
        name = row.values.get(self.by)
        text = "" if name is None else str(name).strip()
        return text or row.error("names no series", self.by)

    def _read(self) -> Iterator[Row | DataError]:
        counts = self._counts if self.time is not None else None
        still: dict[str, _Open] = {}
        ended: dict[str, int] = {}  # and the last row of each
        before: _Open | None = None
        lost: DataError | None = None  # a row of nobody knows which series
        for row in self.inner._read():
            name = self._series(row)
            if isinstance(name, DataError):
                lost = lost or name
                if before is not None:
                    _lacks(before, name)
                continue
            assert isinstance(row, Row)
            if before is not None and before.name != name and (not counts or len(before.rows) == counts[before.name]):
                ended[before.name] = before.last
                yield self._row(still.pop(before.name))
            if name in ended:
                raise row.error(
                    f"the series {name!r} ended in row {ended[name]}: rows of a series stand together. "
                    "Sort the file by this column, or name the column that orders the steps with --time",
                    self.by,
                )
            if name not in still:
                still[name] = _Open(name, row)
            before = still[name]
            if lost is not None:
                _lacks(before, lost)
                lost = None
            self._add(before, row)
        if before is None and lost is not None:
            yield lost
        for one in still.values():
            yield self._row(one)

    def _add(self, one: _Open, row: Row) -> None:
        one.last = row.number
        one.rows.append(row.number)
        if one.wrong is not None:
            return
        one.wrong = self._differs(one, row)
        for column in self.channels:
            value = number(row.values.get(column))
            if value is None:
                said = no_number(row.values.get(column), column)
                one.wrong = one.wrong or self._error(row, f"{said}, in series {one.name!r}")
                return
            one.numbers.append(value)
        if self.time is not None and one.wrong is None:
            one.wrong = self._timed(one, row, self.time)

    def _differs(self, one: _Open, row: Row) -> DataError | None:
        for column in self.same:
            here, there = row.values.get(column), one.first.values.get(column)
            if here != there and str(here).strip() != str(there).strip():
                said = f"has {str(here)[:40]!r} in column {column!r}, and row {one.first.number} of the same series"
                return self._error(row, f"{said} {one.name!r} has {str(there)[:40]!r}")
        return None

    def _timed(self, one: _Open, row: Row, column: str) -> DataError | None:
        cell = row.values.get(column)
        at = moment(cell)
        if at is None:
            return self._error(
                row,
                f"has {str(cell)[:40]!r} in column {column!r}, not a time as 12.5 or 2020-01-31 12:00:00.5 is, "
                f"in series {one.name!r}",
            )
        if one.times and one.times[0][0] != at[0]:
            kinds = ("a date, and a number" if at[0] else "a number, and a date") + f" in row {one.rows[0]}"
            return self._error(
                row, f"has {str(cell)[:40]!r} in column {column!r}, {kinds} of the same series {one.name!r}"
            )
        one.times.append(at)
        return None

    def _row(self, one: _Open) -> Row:
        """The row of a series that is whole."""
        steps = np.zeros((0, len(self.channels)))
        if one.wrong is None:
            steps = np.frombuffer(one.numbers).reshape(len(one.rows), len(self.channels))
        if one.wrong is None and self.time is not None:
            order = sorted(range(len(one.times)), key=one.times.__getitem__)
            steps = steps[order]
            if again := next(((a, b) for a, b in pairwise(order) if one.times[a] == one.times[b]), None):
                said = f"has the time in column {self.time!r} that row {one.rows[again[0]]} of series {one.name!r} has"
                one.wrong = self._error(Row(one.rows[again[1]], {}, one.first.file), said)
        number, line = one.first.number, one.first.line
        if one.wrong is not None:  # whose message has its line already
            number, line = one.wrong.row or number, None
        values = {column: one.first.values.get(column) for column in self.same}
        values[self.window] = Window(one.name, steps, one.wrong)
        return Row(number, values, one.first.file, line)

    def _error(self, row: Row, said: str) -> DataError:
        return row.error(said, self.window)


def _lacks(one: _Open, lost: DataError) -> None:
    said = f"{lost.message}; the series {one.name!r} beside it may lack a step"
    one.wrong = one.wrong or DataError(said, file=lost.file, row=lost.row, field=lost.field)


def no_number(cell: object, column: str) -> str:
    """What to say of a cell that `columns.number` takes for none."""
    if cell is None or not str(cell).strip():
        return f"has nothing in column {column!r}"
    return f"has {str(cell)[:40]!r} in column {column!r}, not a finite number"


def moment(cell: object) -> Moment | None:
    """A number, or a date with or without a time as ISO 8601 writes it (also 2020/01/31); else None."""
    text = str(cell).strip()
    try:
        return False, int(text)  # nanoseconds since 1970 have more digits than a float
    except ValueError:
        if (value := number(text)) is not None:
            return False, value
    try:
        date = datetime.fromisoformat(text.replace("/", "-"))
    except ValueError:
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return True, (date - _EPOCH) // timedelta(microseconds=1)
