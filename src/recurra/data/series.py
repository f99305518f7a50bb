"""Series of numbers over time from a table: long (a column names the series) or wide (a column is a series).

    wide   date, a, b                 long   series, date, value, price
           2020-01-01, 1.0, 7.5              a, 2020-01-01, 1.0, 3
           2020-01-02, 1.5,                  b, 2020-01-01, 7.5, 2

Every series is laid on a grid of equal steps of time. A step that no row has (a gap) and an empty cell are missing values,
NaN. What is wrong is said with the row; series that nothing can be learnt from are named and counted by who reads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from recurra.data.rows import Row, Source
from recurra.data.times import Grid, find_grid, read_column
from recurra.errors import DataError

Floats = NDArray[np.float64]

MISSING = {"", "na", "n/a", "#n/a", "nan", "null", "none", "-", "?"}
TIME_NAMES = (
    *(
        "time",
        "date",
        "datetime",
        "timestamp",
        "time_stamp",
        "ds",
        "date_time",
        "month",
        "day",
        "year",
        "hour",
        "week",
        "step",
    ),
    *("时间", "日期", "年月", "年份"),
)
TIME_PARTS = ("year", "month", "day", "hour", "minute")
SERIES_NAMES = ("series", "unique_id", "series_id", "item_id", "id", "item", "sensor", "station", "序列", "编号")
VALUE_NAMES = ("value", "y", "target", "values", "数值")
MOST_MISSING = 0.99  # a look at a column finds numbers in so many of the filled cells, or it holds no numbers


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

    def followed_by(self, later: Series, *, counted: bool = False) -> Series:
        """This one, and what `later` has after its end; steps between the two are missing.

        counted: there is no column of time, rows are but counted, so all of `later` comes after.
        """
        end = self.first + len(self)
        begin = end
        if not counted:
            places, off = self.grid.positions(later.grid.moments(later.first + np.arange(len(later))))
            if len(off) or (len(places) > 1 and places[1] - places[0] != 1):
                raise DataError(f"the series {self.name!r} goes on {later.grid.name}, but began {self.grid.name}")
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
class Gaps:
    """Steps of time without a row."""

    steps: int = 0
    places: int = 0
    longest: int = 0
    where: str = ""
    series: int = 0

    def add(self, name: str, distances: NDArray[np.int64], at: Callable[[int], str]) -> None:
        wide = np.flatnonzero(distances > 1)
        if not len(wide):
            return
        self.series += 1
        self.steps += int((distances[wide] - 1).sum())
        self.places += len(wide)
        most = int(wide[distances[wide].argmax()])
        if distances[most] - 1 > self.longest:
            self.longest, self.where = int(distances[most] - 1), f"{name and name + ', '}after {at(most)}"

    def line(self) -> str:
        plural = "s" if self.places > 1 else ""
        return (
            f"{self.places:,} gap{plural} in time, {self.steps:,} step{'s' * (self.steps > 1)} without a row (the longest "
            f"{self.longest:,}: {self.where}), taken as missing values"
        )


@dataclass
class Table:
    """All series of a file, and what there is to say about them."""

    series: list[Series]
    columns: Columns
    lines: list[str] = field(default_factory=list)


# which column is what --------------------------------------------------------------------------------------------------
def listed(source: Source, asked: str | None) -> tuple[str, ...]:
    """`a, b` -> the columns a and b; a column whose name holds a comma is found whole."""
    if asked is None:
        return ()
    if asked in source.columns:
        return (asked,)
    return tuple(source.need(name.strip()) for name in asked.split(",") if name.strip())


def find_columns(
    source: Source,
    *,
    time: str | None = None,
    series: str | None = None,
    targets: str | None = None,
    known: str | None = None,
    past: str | None = None,
    static: str | None = None,
    form: str | None = None,
) -> tuple[Columns, list[str]]:
    """The columns by what was asked, their names, and a look at the first rows; and lines that say what was left out."""
    rows = source.look()
    given = {"known": listed(source, known), "past": listed(source, past), "static": listed(source, static)}
    asked = listed(source, targets)
    taken = {name for names in (*given.values(), asked) for name in names}
    times = listed(source, time) if time else _find_time(source, [c for c in source.columns if c not in taken], form)
    free = [column for column in source.columns if column not in {*taken, *times}]
    by = source.need(series) if series else _find_series(source, rows, free, times)
    lines: list[str] = []
    if not asked:
        asked, lines = _find_targets(source, rows, [column for column in free if column != by], by is not None)
    twice = [name for name in (*times, by, *asked, *given["known"], *given["past"], *given["static"]) if name]
    if again := next((name for name in twice if twice.count(name) > 1), None):
        raise DataError(f"the column {again!r} cannot be two things at once", file=source.path)
    return Columns(tuple(times), by, tuple(asked), given["known"], given["past"], given["static"]), lines


def _cells(rows: Sequence[Row], column: str) -> list[str]:
    return ["" if (value := row.values.get(column)) is None else str(value) for row in rows]


def _find_time(source: Source, free: Sequence[str], form: str | None) -> tuple[str, ...]:
    """A column by name that reads as times; year, month, day, ... as one; else one whose cells read as dates."""
    rows = source.look()
    lower = {column.strip().lower(): column for column in reversed(free)}
    parts = [lower[part] for part in TIME_PARTS if part in lower]
    if len(parts) >= 2 and "year" in lower:
        return tuple(parts)
    for name in TIME_NAMES:
        if name in lower:
            return (lower[name],)
    for column in free:
        cells = _cells(rows, column)
        moments, rank, bad = read_column(cells, form)
        if bad is None and rank >= 2 and len(moments):
            return (column,)
    return ()


def _find_series(source: Source, rows: Sequence[Row], free: Sequence[str], times: Sequence[str]) -> str | None:
    """A column that names the series: by its name, or the one column of words that makes repeated times unique."""
    lower = {column.strip().lower(): column for column in reversed(free)}
    if not times:
        return next((lower[name] for name in SERIES_NAMES[:4] if name in lower), None)
    stamps = list(zip(*(_cells(rows, column) for column in times), strict=True))
    if len(set(stamps)) == len(stamps):
        head = lower.get("series") or lower.get("unique_id")  # a look at one long series cannot tell
        return head if head and len(rows) > 1 else None
    named = [lower[name] for name in SERIES_NAMES if name in lower]
    words = [column for column in free if not _numeric(_cells(rows, column))]
    fits = [
        c for c in dict.fromkeys([*named, *words]) if len(set(zip(stamps, _cells(rows, c), strict=True))) == len(rows)
    ]
    return fits[0] if fits and (fits[0] in named or len(fits) == 1) else None


def _find_targets(
    source: Source, rows: Sequence[Row], free: Sequence[str], long: bool
) -> tuple[tuple[str, ...], list[str]]:
    numeric = [column for column in free if _numeric(_cells(rows, column))]
    plain = [c for c in numeric if c.strip().lower() in VALUE_NAMES or not _counts_rows(_cells(rows, c))]
    numeric = plain or numeric  # what counts the rows is no series, unless there is no other
    lower = {column.strip().lower(): column for column in reversed(numeric)}
    named = [lower[name] for name in VALUE_NAMES if name in lower]
    found = tuple(named[:1]) if named and (long or len(numeric) == 1) else tuple(numeric)
    if not found:
        there = ", ".join(source.columns[:20])
        raise DataError(
            f"no column holds numbers to forecast; name it with --target (there are {there})", file=source.path
        )
    if long and len(found) > 1:
        raise DataError(
            f"the values of the series could be {' or '.join(map(repr, found[:4]))}; name them with --target A,B",
            file=source.path,
        )
    left = [column for column in free if column not in found]
    return found, [f"columns left out: {', '.join(left[:8])}{', ...' if len(left) > 8 else ''}"] if left else []


def _numeric(cells: Sequence[str]) -> bool:
    filled = [cell for cell in cells if cell.strip().lower() not in MISSING]
    return sum(number(cell) is not None for cell in filled) >= MOST_MISSING * len(filled)


def _counts_rows(cells: Sequence[str]) -> bool:
    values = [number(cell) for cell in cells]
    return len(values) > 2 and all(a is not None and b is not None and b - a == 1 for a, b in pairwise(values))


def number(cell: str) -> float | None:
    """The finite number a cell spells, NaN for a missing value, None for anything else."""
    cell = cell.strip()
    if cell.lower() in MISSING:
        return math.nan
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


# reading ---------------------------------------------------------------------------------------------------------------
@dataclass
class _Raw:
    """The rows of one name, as they stand in the file."""

    stamps: list[str] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    numbers: list[list[float]] = field(default_factory=list)
    static: tuple[str, ...] = ()


def read_table(
    source: Source, columns: Columns, *, form: str | None = None, sort: bool = False, skip: bool = False
) -> Table:
    """All series. Raises DataError with the row for what cannot be read; with `skip` such rows are left out and counted."""
    raw: dict[str, _Raw] = {}
    bad = _Bad(source, skip)
    for row in source.rows():
        line = [number(cell) for cell in _row_cells(row, columns.numbers)]
        if None in line:
            column = columns.numbers[line.index(None)]
            bad.add(row.number, f"{row.values.get(column)!r} is not a number", column)
            continue
        one = raw.setdefault("" if columns.series is None else str(row.values.get(columns.series)), _Raw())
        static = tuple(_row_cells(row, columns.static))
        if not one.rows:
            one.static = static
        elif static != one.static:
            at = next(i for i, (a, b) in enumerate(zip(static, one.static, strict=True)) if a != b)
            bad.add(row.number, f"is {static[at]!r}, but was {one.static[at]!r} above; a static covariate never changes",
                    columns.static[at])  # fmt: skip
            continue
        one.stamps.append(_stamp(row, columns.time) if columns.time else str(len(one.rows)))
        one.rows.append(row.number)
        one.numbers.append(line)  # type: ignore[arg-type]
    series, gaps = [], Gaps()
    for name, one in raw.items():
        if not one.rows:
            continue
        grid, positions, kept = _on_grid(name, one, columns, bad, form, sort)
        gaps.add(name, np.diff(positions), lambda at, g=grid, p=positions: g.stamps(p[at : at + 1])[0])  # type: ignore[misc]
        series += _laid(name, one, kept, positions, grid, columns)
    bad.settle()
    lines = [gaps.line()] if gaps.steps else []
    lines += [bad.line()] if bad.count else []
    if source.broken.count:
        lines.append(f"{source.broken.count:,} broken rows skipped, the first: {source.broken.places[0]}")
    return Table(series, columns, lines)


def _row_cells(row: Row, names: Iterable[str]) -> list[str]:
    return ["" if (value := row.values.get(name)) is None else str(value) for name in names]


def _stamp(row: Row, columns: Sequence[str]) -> str:
    """The time of a row as text; year, month, day, ... put together."""
    cells = _row_cells(row, columns)
    if len(cells) == 1:
        return cells[0]
    filled = [cell.strip().rjust(2, "0") for cell in cells]
    return "-".join(filled[:3]) + (
        " " + ":".join([*filled[3:], *(["00"] if len(filled) == 4 else [])]) if filled[3:] else ""
    )


class _Bad:
    """Rows that cannot be used: all are counted, then the first is raised with the count, or they were left out."""

    def __init__(self, source: Source, skip: bool) -> None:
        self.source, self.skip, self.count = source, skip, 0
        self.first: tuple[int, str, str | None] | None = None
        self.others: list[int] = []

    def add(self, row: int, what: str, column: str | None = None) -> None:
        self.count += 1
        if self.first is None:
            self.first = (row, what, column)
        elif len(self.others) < 2:
            self.others.append(row)

    def settle(self) -> None:
        if self.first is None or self.skip:
            return
        row, what, column = self.first
        more = ""
        if self.count > 1:
            named = ", ".join(map(str, self.others))
            more = f"; {self.count - 1:,} more rows cannot be used (row {named}{', ...' if self.count > 3 else ''})"
        raise DataError(f"{what}{more}. Mend the file, or leave such rows out with --set broken=skip",
                        file=self.source.path, row=row, field=column)  # fmt: skip

    def line(self) -> str:
        assert self.first is not None
        row, what, _ = self.first
        return f"{self.count:,} broken rows skipped, the first: row {row}: {what}"


def _on_grid(
    name: str, raw: _Raw, columns: Columns, bad: _Bad, form: str | None, sort: bool
) -> tuple[Grid, NDArray[np.int64], NDArray[np.int64]]:
    """(grid, rising positions, places of the rows that have them)."""
    column, of = ", ".join(columns.time) or None, f" of {name!r}" if name else ""
    kept = np.arange(len(raw.rows))
    moments, rank, first_bad = read_column(raw.stamps, form)
    if first_bad is not None:
        good = [at for at, cell in enumerate(raw.stamps) if read_column([cell], form)[2] is None]
        if not bad.skip or not good:
            tried = (
                f"as {form!r}" if form else "as a time: 2020-01-31 12:00 is, and others with --time-format '%d/%m/%Y'"
            )
            for at in sorted(set(range(len(raw.rows))) - set(good)):
                bad.add(raw.rows[at], f"{raw.stamps[at]!r} cannot be read {tried}", column)
            bad.skip = bad.skip and bool(good)
            bad.settle()
        for at in sorted(set(range(len(raw.rows))) - set(good)):
            bad.add(raw.rows[at], f"{raw.stamps[at]!r} cannot be read as a time", column)
        kept = np.array(good)
        moments, rank, _ = read_column([raw.stamps[at] for at in good], form)
    back = np.flatnonzero(np.diff(moments) < 0)
    if len(back) and not sort:
        at = int(back[0]) + 1
        raise DataError(
            f"{raw.stamps[kept[at]]} comes after {raw.stamps[kept[at - 1]]}{of}: the rows are not sorted by time "
            f"({len(back):,} such places). Sort them, or say --sort",
            file=bad.source.path, row=raw.rows[kept[at]], field=column,
        )  # fmt: skip
    order = np.argsort(moments, kind="stable")
    moments, kept = moments[order], kept[order]
    again = np.flatnonzero(np.diff(moments) == 0) + 1
    for at in again.tolist():
        hint = "" if columns.series else "; is there a column that tells several series apart? Name it with --series"
        bad.add(raw.rows[kept[at]], f"{raw.stamps[kept[at]]} stands there twice{of} (first in row {raw.rows[kept[at - 1]]})"
                + hint, column)  # fmt: skip
    if len(again):
        bad.settle()
        moments, kept = np.delete(moments, again), np.delete(kept, again)
    grid = find_grid(moments, rank)
    positions, off = grid.positions(moments)
    if len(off):
        at = int(off[0])
        raise DataError(
            f"{raw.stamps[kept[at]]}{of} is not on a regular grid of time: most rows stand {grid.name}, {len(off):,} rows "
            "between. Bring the rows to equal steps first (a mean for each step)",
            file=bad.source.path, row=raw.rows[kept[at]], field=column,
        )  # fmt: skip
    return grid, positions, kept


def _laid(
    name: str, raw: _Raw, kept: NDArray[np.int64], positions: NDArray[np.int64], grid: Grid, columns: Columns
) -> list[Series]:
    """The rows on the grid, NaN where there is none: a series for each target column."""
    numbers = np.array([raw.numbers[at] for at in kept.tolist()], np.float64)
    whole = np.full((int(positions[-1] - positions[0]) + 1, numbers.shape[1]), np.nan)
    whole[positions - positions[0]] = numbers
    targets, known = len(columns.targets), len(columns.known)
    end = len(whole)
    if known:  # rows ahead: the covariates are there, no target is yet
        filled = np.flatnonzero(~np.isnan(whole[:, :targets]).all(1))
        end = int(filled[-1]) + 1 if len(filled) else end
    result = []
    for at, column in enumerate(columns.targets):
        full = name if len(columns.targets) == 1 and name else f"{name}/{column}" if name else column
        result.append(
            Series(
                full,
                np.ascontiguousarray(whole[:end, at]),
                grid,
                int(positions[0]),
                np.ascontiguousarray(whole[:, targets : targets + known]),
                np.ascontiguousarray(whole[:end, targets + known :]),
                raw.static,
            )
        )
    return result


# the season ------------------------------------------------------------------------------------------------------------
def find_season(series: Sequence[Floats], grid: Grid, *, most: int = 64) -> tuple[int, float]:
    """(steps of a season, correlation of neighbours a season apart); (1, 0.0) where there is none.

    The autocorrelation of the series without their slow drift, mean over at most `most` of them: the highest hill, or a
    shorter one that is nearly as high. Lags up to a third of a series count.
    """
    picked = [series[at] for at in np.unique(np.linspace(0, len(series) - 1, most).astype(int))] if len(series) else []
    longest = max((len(values) for values in picked), default=0)
    total, count = np.zeros(longest), np.zeros(longest)
    for values in picked:
        if len(values) >= 9 and (found := autocorrelation(values)) is not None:
            lags = len(values) // 3 + 1
            total[:lags] += found[:lags]
            count[:lags] += 1
    if not count.any():
        return 1, 0.0
    mean = np.where(count >= max(count.max() / 2, 1), total / np.maximum(count, 1), 0.0)
    wide = max(len(mean) // 400, 1)  # a hill of a long season is ragged
    smooth = np.convolve(mean, np.ones(2 * wide - 1) / (2 * wide - 1), "same") if wide > 1 else mean
    hills = [lag for lag in range(2, len(mean) - 1)
             if smooth[lag] >= smooth[lag - 1] and smooth[lag] > smooth[lag + 1] and mean[lag] > 0]  # fmt: skip
    for lag in grid.season_candidates():  # the calendar's own seasons stand where a hill is near
        hills = [lag if abs(hill - lag) <= max(wide, lag // 50) and lag < len(mean) else hill for hill in hills]
    low = _first_low(smooth)
    hills = [lag for lag in hills if lag > low and mean[lag] > 0.1]
    if not hills:
        return 1, 0.0
    best = max(mean[lag] for lag in hills)
    season = min(lag for lag in hills if mean[lag] >= 0.85 * best)
    return int(season), float(mean[season])


def _first_low(correlation: Floats) -> int:
    """The first lag at which the correlation has fallen as far as it will before rising: hills before it are noise."""
    below = np.flatnonzero(correlation < 0.5 * max(correlation[1:].max(initial=0.0), 1e-9))
    return int(below[0]) if len(below) else 0


def autocorrelation(values: Floats) -> Floats | None:
    """Of a series without drift, missing values left out, (N,); None where nothing varies."""
    from numpy.fft import irfft, rfft

    there = ~np.isnan(values)
    if there.sum() < 9:
        return None
    steps = np.arange(len(values))
    slope, height = np.polyfit(steps[there], values[there], 1)
    rest = np.where(there, values - (slope * steps + height), 0.0)
    size = 2 * len(values)
    pairs = irfft(np.abs(rfft(there.astype(float), size)) ** 2)[: len(values)]
    products = irfft(np.abs(rfft(rest, size)) ** 2)[: len(values)]
    mean = products / np.maximum(np.round(pairs), 1)
    return None if mean[0] <= 1e-12 * max(float(np.nanmax(np.abs(values))) ** 2, 1e-300) else np.asarray(mean / mean[0])
