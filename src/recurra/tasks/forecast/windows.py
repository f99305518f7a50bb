"""Many series one after the other, and the windows that are cut from them.

A window is its origin: the flat place of its first step to forecast. The T steps before are its input, the H from it on its
target; both lie within one series.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .scaling import place_and_scale

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass
class Panel:
    """Series s is flat[starts[s] : starts[s + 1]]. What a series lacks (covariates, static facts) has no columns."""

    values: Floats  # (N,), NaN where missing
    known: NDArray[np.float32]  # (N, K) standardised, 0 where missing
    past: NDArray[np.float32]  # (N, P) likewise
    calendar: NDArray[np.float32]  # (N, C)
    starts: Integers  # (S + 1,)
    stats: Floats  # (S, 3) mean, deviation and mean size
    seasons: Integers  # (S,) steps
    vectors: Integers  # (S,) which vector of the network; 0 is for series it was not trained on
    static: NDArray[np.float32]  # (S, F)

    def __post_init__(self) -> None:
        self.filled, self.there = _carried(self.values, self.starts), ~np.isnan(self.values)

    @property
    def owners(self) -> Integers:
        return np.arange(len(self.starts) - 1)

    def owner(self, origins: Integers) -> Integers:
        """The series of each origin."""
        return np.searchsorted(self.starts, origins, side="right") - 1

    def origins(
        self, first: Integers, last: Integers, horizon: int, stride: int = 1, most: int | None = None
    ) -> Integers:
        """Those from first (S,) to last (S,), both counted, that have an observed target; of each series the `most` last,
        `stride` apart, the last one always among them."""
        parts = []
        seen = np.concatenate([[0], np.cumsum(self.there)])
        for begin, end in zip(first.tolist(), last.tolist(), strict=True):
            places = np.arange(end, begin - 1, -stride, dtype=np.int64)
            places = places[seen[np.minimum(places + horizon, len(self.values))] > seen[places]]
            parts.append(places[:most][::-1])
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def windows(self, origins: Integers, window: int, horizon: int, scaling: str) -> Windows:
        """The windows of these origins, values scaled. A window without any value is filled with the series' mean."""
        at_x = origins[:, None] + np.arange(-window, 0)
        at_y = origins[:, None] + np.arange(horizon)
        owners = self.owner(origins)
        x, there = self.filled[at_x], self.there[at_x]
        stats = self.stats[owners]
        x = np.where(np.isnan(x), stats[:, :1], x)
        place, scale = place_and_scale(scaling, x, there, stats)
        return Windows(
            origins, owners, (x - place[:, None]) / scale[:, None], there, place, scale, self.values[at_y], at_x, at_y
        )

    def season_values(self, windows: Windows) -> Floats:
        """(B, H): the value of the same step a season ago, of as many seasons as it takes to be in the past."""
        season = self.seasons[windows.owners][:, None]
        ahead = np.arange(windows.y.shape[1])
        return self.last_known(windows.at_y - season * (ahead // season + 1), windows)

    def naive_values(self, windows: Windows) -> Floats:
        """(B, H): the last value."""
        return self.last_known(np.repeat(windows.origins[:, None] - 1, windows.y.shape[1], 1), windows)

    def last_known(self, at: Integers, windows: Windows) -> Floats:
        """The value at these places, or the last one before where it is missing."""
        found = self.filled[np.maximum(at, self.starts[windows.owners][:, None])]
        return np.where(np.isnan(found), self.stats[windows.owners, :1], found)


@dataclass
class Windows:
    """B windows. x is scaled, y is not: (y - place) / scale is what a network is to say."""

    origins: Integers  # (B,)
    owners: Integers  # (B,)
    x: Floats  # (B, T) scaled, missing values carried on
    there: NDArray[np.bool_]  # (B, T)
    place: Floats  # (B,)
    scale: Floats  # (B,)
    y: Floats  # (B, H), NaN where missing
    at_x: Integers  # (B, T) flat places
    at_y: Integers  # (B, H)

    def scaled_y(self) -> Floats:
        return (self.y - self.place[:, None]) / self.scale[:, None]

    def unscaled(self, numbers: Floats) -> Floats:
        """(B, H, ...) numbers of the scale of x -> in the data's unit."""
        return numbers * self.scale[:, None, None] + self.place[:, None, None]


def _carried(values: Floats, starts: Integers) -> Floats:
    """Missing values take the last one before them in their series, those at its beginning the first one after."""
    filled = values.copy()
    for begin, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        part = filled[begin:end]
        there = ~np.isnan(part)
        if not there.all() and there.any():
            last = np.maximum.accumulate(np.where(there, np.arange(len(part)), -1))
            part[:] = part[np.where(last >= 0, last, int(there.argmax()))]
    return filled


def stats_of(values: Floats) -> tuple[float, float, float]:
    """Mean, deviation and mean size of what is there; a deviation or size of 0 counts as 1."""
    there = values[~np.isnan(values)]
    if not len(there):
        return 0.0, 1.0, 1.0
    deviation, size = float(there.std()), float(np.abs(there).mean())
    return float(there.mean()), deviation if deviation > 1e-12 * max(size, 1e-300) else 1.0, size or 1.0


def season_error(values: Floats, season: int) -> float:
    """Mean absolute difference of values a season apart, the scale of MASE (Hyndman & Koehler 2006); NaN without any pair."""
    apart = np.abs(values[season:] - values[:-season]) if len(values) > season else np.zeros(0)
    apart = apart[~np.isnan(apart)]
    return float(apart.mean()) if len(apart) and apart.mean() > 0 else float("nan")


def concatenated(parts: Sequence[NDArray[np.float32]], width: int) -> NDArray[np.float32]:
    return np.concatenate(parts) if parts else np.zeros((0, width), np.float32)
