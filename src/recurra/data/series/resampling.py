"""Duplicate times and longer time steps: several rows become one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recurra.data.series.grid import TimeGrid
from recurra.data.series.times import DAY, HOUR, MINUTE, SECOND, WEEK
from recurra.data.series.zones import Clock
from recurra.errors import SettingError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
_RULE = re.compile(r"(?P<count>\d*)\s*(?P<unit>[a-zA-Z]+)(?:\s*:\s*(?P<how>\w+))?")
_LENGTHS = {"s": SECOND, "sec": SECOND, "min": MINUTE, "t": MINUTE, "h": HOUR, "d": DAY, "w": WEEK}
_MONTHS = {"m": 1, "mo": 1, "ms": 1, "me": 1, "month": 1, "q": 3, "y": 12}
_MONDAY = 4 * DAY  # the first Monday after 1970-01-01
HOW = ("mean", "sum", "first", "last", "min", "max")


@dataclass(frozen=True)
class Resampling:
    """A rule of resampling: the length of a time step, and how the values in it are aggregated.

    length   microseconds of a time step; 0 for months
    months   months of a time step
    how      one of HOW

    >>> Resampling.parse("15min:sum")
    Resampling(length=900000000, months=0, how='sum')
    """

    length: int
    months: int
    how: str

    @classmethod
    def parse(cls, rule: str) -> Resampling:
        """Parse a rule such as 15min, 1h, 1d, 1w, 1m (a month), 1y, or 1d:sum. Raises SettingError for any other text."""
        match = _RULE.fullmatch(rule.strip())
        unit, how = (match["unit"].lower(), match["how"] or "mean") if match else ("", "")
        count = int(match["count"] or 1) if match else 0
        if count < 1 or unit not in {**_LENGTHS, **_MONTHS} or how not in HOW:
            raise SettingError(
                f"resample = {rule!r}: expected a number and s, min, h, d, w, m (months) or y, such as 15min, 1h or 1d, and "
                f"after a colon one of {', '.join(HOW)} (mean), such as 1d:sum"
            )
        return cls(count * _LENGTHS.get(unit, 0), count * _MONTHS.get(unit, 0), how)

    def begins(self, stamps: Integers) -> Integers:
        """Return the beginning of the time step of each timestamp."""
        if self.months:
            months = stamps.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
            months = months // self.months * self.months
            return np.asarray(months.astype("datetime64[M]").astype("datetime64[us]").astype(np.int64), np.int64)
        origin = _MONDAY if self.length % WEEK == 0 else 0
        return np.asarray((stamps - origin) // self.length * self.length + origin, np.int64)

    def grid(self, stamps: Integers, precision: int, clock: Clock) -> TimeGrid:
        """Return the grid of beginnings of time steps."""
        if self.months:
            begin = int(stamps[:1].astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)[0])
            return TimeGrid("month", self.months, begin, min(precision, 3), clock=clock)
        return TimeGrid("time", self.length, int(stamps[0]), max(precision, 3), clock=clock)


def aggregate(keys: Integers, values: Floats, how: str) -> tuple[Integers, Integers, Floats]:
    """Aggregate the rows of equal keys.

    keys     (R,) sorted
    values   (R, C), NaN where missing; missing values are left out

    Returns (U unique keys, the index of the first row of each, their values (U, C)).
    """
    unique, first = np.unique(keys, return_index=True)
    counts = np.diff(np.append(first, len(keys)))
    reduce: dict[str, Callable[[Floats], Floats]] = {
        "sum": lambda v: np.add.reduceat(np.nan_to_num(v), first, axis=0),
        "min": lambda v: np.minimum.reduceat(np.where(np.isnan(v), np.inf, v), first, axis=0),
        "max": lambda v: np.maximum.reduceat(np.where(np.isnan(v), -np.inf, v), first, axis=0),
    }
    if not values.shape[1]:
        return unique, first, np.zeros((len(unique), 0))
    observed = np.add.reduceat((~np.isnan(values)).astype(np.float64), first, axis=0)
    if how == "mean":
        result = reduce["sum"](values) / np.maximum(observed, 1)
    elif how in reduce:
        result = reduce[how](values)
    else:
        result = _first_or_last(values, first, counts, last=how == "last")
    return unique, first, np.where(observed > 0, result, np.nan)


def _first_or_last(values: Floats, first: Integers, counts: Integers, *, last: bool) -> Floats:
    """Return the first or last value of each group that is not missing."""
    rows = np.arange(len(values))[:, None]
    observed = ~np.isnan(values)
    if last:
        at = np.maximum.reduceat(np.where(observed, rows, -1), first, axis=0)
    else:
        at = np.minimum.reduceat(np.where(observed, rows, len(values)), first, axis=0)
    at = np.clip(at, 0, len(values) - 1)
    return np.asarray(np.take_along_axis(values, at, axis=0))
