"""Series of numbers over time, as a table holds them: long (a column names the series) or wide (a column is a series).

    wide   date, a, b                 long   series, date, value, price
           2020-01-01, 1.0, 7.5              a, 2020-01-01, 1.0, 3
           2020-01-02, 1.5,                  b, 2020-01-01, 7.5, 2

Every series is laid on a grid of equal steps of time. A step that no row has (a gap) and an empty cell are missing values,
NaN. What is wrong is said with the row; series that nothing can be learnt from are named and counted by who reads.

seriescolumns.py  which column is what               seriestable.py  from the rows of a table to its series
seriescells.py    what a cell says                   seriesgrid.py   the rows of one series on its grid, gaps
badrows.py        rows that cannot be used           season.py       the season of series
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recurra.data.series.times import Grid
from recurra.errors import DataError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Columns:
    """What the columns of the table are to a forecast. `time` in order (year, month, ... may be several); [] counts rows."""

    time: tuple[str, ...]
    series: str | None
    targets: tuple[str, ...]
    known: tuple[str, ...] = ()  # covariates known ahead
    past: tuple[str, ...] = ()  # covariates known up to now
    static: tuple[str, ...] = ()  # facts of a series that never change

    @property
    def numbers(self) -> tuple[str, ...]:
        return (*self.targets, *self.known, *self.past)

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.time, *([self.series] if self.series else []), *self.numbers, *self.static)


@dataclass
class Series:
    """One series. `values` (N,) and `past` (N, P) end with the last row that has a target; `known` (N + F, K) goes on."""

    name: str
    values: Floats
    grid: Grid
    first: int  # position of the first step on the grid
    known: Floats
    past: Floats
    static: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    def stamps(self, steps: Sequence[int] | NDArray[np.int64]) -> list[str]:
        """The time of steps, which are counted from the first one, as text; from len(self) on those to come."""
        return self.grid.stamps(self.first + np.asarray(steps, np.int64))

    def followed_by(self, later: Series, *, counted: bool = False) -> Series:
        """This one, and what `later` has after its end; steps between the two are missing.

        counted: there is no column of time, rows are but counted, so all of `later` comes after. Raises DataError where the
        two have not the same steps.
        """
        begin = end = self.first + len(self)
        if not counted:
            places, off = self.grid.positions(later.grid.moments(later.first + np.arange(len(later))))
            if len(off) or (len(places) > 1 and places[1] - places[0] != 1):
                raise DataError(
                    f"the series {self.name!r} goes on {later.grid.name} from {later.stamps([0])[0]}, but began "
                    f"{self.grid.name} from {self.stamps([0])[0]}: bring both to the same steps"
                )
            begin = int(places[0])
        skip, gap = max(end - begin, 0), max(begin - end, 0)

        def joined(one: Floats, other: Floats) -> Floats:
            return np.concatenate([one[: len(self)], np.full((gap, *one.shape[1:]), np.nan), other[skip:]])

        return replace(
            self,
            values=joined(self.values, later.values),
            known=joined(self.known, later.known),
            past=joined(self.past, later.past),
        )


@dataclass
class Table:
    """All series of a file, and what there is to say about them."""

    series: list[Series]
    columns: Columns
    path: Path
    lines: list[str] = field(default_factory=list)
