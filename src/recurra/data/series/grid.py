"""The rows of one series laid on a regular grid of time: times read, put in order, and given their positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.data.series.series import Columns
from recurra.data.series.times import Grid, find_grid, read_column, read_stamp, read_step
from recurra.data.sources.row_errors import BadRows
from recurra.errors import DataError

Integers = NDArray[np.int64]
LARGE = 10_000_000  # steps from the first row to the last: so many, with a row in a hundredth of them, are a slip


@dataclass
class RawSeries:
    """The rows of one series, as they stand in the file."""

    name: str
    static: tuple[str, ...] = ()
    stamps: list[str] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    numbers: list[list[float]] = field(default_factory=list)

    @property
    def of(self) -> str:
        return f" of {self.name!r}" if self.name else ""


class OnGrid(NamedTuple):
    """R rows at rising positions of a grid; `kept` are their places in the `RawSeries`."""

    grid: Grid
    positions: Integers  # (R,)
    kept: Integers  # (R,)

    @property
    def steps(self) -> int:
        """From the first row to the last, both counted."""
        return int(self.positions[-1] - self.positions[0]) + 1


def on_grid(raw: RawSeries, columns: Columns, bad: BadRows, *, form: str | None, sort: bool) -> OnGrid:
    """Raises DataError with the row where times cannot be read, are not sorted, repeat, or lie between the steps."""
    column = ", ".join(columns.time) or None
    kept, moments, rank = _read(raw, column, bad, form)
    back = np.flatnonzero(np.diff(moments) < 0)
    if len(back) and not sort:
        at, before = kept[back[0] + 1], kept[back[0]]
        raise DataError(
            f"{raw.stamps[at]} comes after {raw.stamps[before]}{raw.of}: the rows are not sorted by time "
            f"({len(back):,} such places). Sort them, or say --sort",
            file=bad.path, row=raw.rows[at], field=column,
        )  # fmt: skip
    order = np.argsort(moments, kind="stable")
    moments, kept = moments[order], kept[order]
    again = np.flatnonzero(np.diff(moments) == 0) + 1
    hint = "" if columns.series else "; is there a column that tells several series apart? Name it with --series"
    for at, before in zip(kept[again], kept[again - 1], strict=True):
        what = f"{raw.stamps[at]} stands there twice{raw.of} (first in row {raw.rows[before]}){hint}"
        bad.add(raw.rows[at], what, column)
    if len(again):
        bad.settle()
        moments, kept = np.delete(moments, again), np.delete(kept, again)
    grid = find_grid(moments, rank)
    positions, off = grid.positions(moments)
    if len(off):
        at = kept[off[0]]
        raise DataError(
            f"{raw.stamps[at]}{raw.of} is not on a regular grid of time: most rows stand {grid.name}, {len(off):,} rows "
            "between. Bring the rows to equal steps first (a mean for each step)",
            file=bad.path, row=raw.rows[at], field=column,
        )  # fmt: skip
    laid = OnGrid(grid, positions, kept)
    if laid.steps > max(LARGE, 100 * len(kept)):
        wide = int(np.diff(positions).argmax())
        at, before = kept[wide + 1], kept[wide]
        raise DataError(
            f"{raw.stamps[at]} comes {positions[wide + 1] - positions[wide]:,} steps after {raw.stamps[before]}{raw.of}, "
            f"where rows stand {grid.name}. Mend the time, or bring the rows to longer steps",
            file=bad.path, row=raw.rows[at], field=column,
        )  # fmt: skip
    return laid


def _read(raw: RawSeries, column: str | None, bad: BadRows, form: str | None) -> tuple[Integers, Integers, int]:
    """(places of the rows whose time can be read, their moments, rank as of `read_column`)."""
    moments, rank, first_bad = read_column(raw.stamps, form)
    if first_bad is None:
        return np.arange(len(raw.rows)), moments, rank
    good = _readable(raw.stamps, form)
    if bad.skip and good:
        how = "as a time"
    else:
        how = f"as {form!r}" if form else "as a time: 2020-01-31 12:00 is, and others with --time-format '%d/%m/%Y'"
    for at in sorted(set(range(len(raw.rows))) - set(good)):
        bad.add(raw.rows[at], f"{raw.stamps[at]!r} cannot be read {how}", column)
    bad.settle(others=bool(good))
    moments, rank, _ = read_column([raw.stamps[at] for at in good], form)
    return np.array(good), moments, rank


def _readable(cells: Sequence[str], form: str | None) -> list[int]:
    """Places of the cells that can be read the way most of them can: as dates, or as numbers of steps."""
    dates = [at for at, text in enumerate(cells) if read_stamp(text, form) is not None]
    steps = [] if form else [at for at, text in enumerate(cells) if read_step(text) is not None]
    return max(dates, steps, key=len)


@dataclass
class Gaps:
    """Steps of time without a row, over all series."""

    steps: int = 0
    places: int = 0
    longest: int = 0
    where: str = ""

    def add(self, name: str, laid: OnGrid) -> None:
        distances = np.diff(laid.positions)
        wide = np.flatnonzero(distances > 1)
        if not len(wide):
            return
        self.steps += int((distances[wide] - 1).sum())
        self.places += len(wide)
        most = int(wide[distances[wide].argmax()])
        if distances[most] - 1 > self.longest:
            self.longest = int(distances[most] - 1)
            self.where = f"{name and name + ', '}after {laid.grid.stamps(laid.positions[most : most + 1])[0]}"

    def line(self) -> str:
        plural = "s" if self.places > 1 else ""
        return (
            f"{self.places:,} gap{plural} in time, {self.steps:,} step{'s' * (self.steps > 1)} without a row (the longest "
            f"{self.longest:,}: {self.where}), taken as missing values"
        )
