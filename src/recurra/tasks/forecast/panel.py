"""A panel: many series one after the other in flat arrays, from which windows are cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from .scaling import place_and_scale
from .series_stats import seasonal_difference
from .windows import Floats, Integers, Windows


@final
@dataclass
class Panel:
    """N steps of S series: series s is flat[starts[s] : starts[s + 1]]. Covariates that there are none of have no columns.

    A window is named by its origin, the flat position of the first step to forecast: the T steps before it are the input,
    the H from it on the target, and both lie within one series.
    """

    values: Floats  # (N,), NaN where missing
    known: NDArray[np.float32]  # (N, K) future covariates, standardised, 0 where missing
    past: NDArray[np.float32]  # (N, P) past covariates, likewise
    calendar: NDArray[np.float32]  # (N, C)
    starts: Integers  # (S + 1,)
    stats: Floats  # (S, 3) mean, standard deviation and mean absolute value
    seasons: Integers  # (S,) steps
    vectors: Integers  # (S,) row of the network's embedding; 0 is for series that it was not trained on
    static: NDArray[np.float32]  # (S, F)

    def __post_init__(self) -> None:
        self.filled, self.observed = _forward_filled(self.values, self.starts), ~np.isnan(self.values)

    @property
    def numbers(self) -> Integers:
        """The number of each series, (S,)."""
        return np.arange(len(self.starts) - 1)

    def series_of(self, origins: Integers) -> Integers:
        """The number of the series that each origin lies in."""
        return np.searchsorted(self.starts, origins, side="right") - 1

    def origins(
        self, first: Integers, last: Integers, horizon: int, stride: int = 1, limit: int | None = None
    ) -> Integers:
        """Origins whose target has an observed value, from `first` (S,) to `last` (S,), both included.

        They are `stride` apart and counted from the last one of each series; `limit` keeps the latest ones of each.
        """
        parts = []
        seen = np.concatenate([[0], np.cumsum(self.observed)])
        for begin, end in zip(first.tolist(), last.tolist(), strict=True):
            places = np.arange(end, begin - 1, -stride, dtype=np.int64)
            places = places[seen[np.minimum(places + horizon, len(self.values))] > seen[places]]
            parts.append(places[:limit][::-1])
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def windows(self, origins: Integers, window: int, horizon: int, scaling: str) -> Windows:
        """The windows of some origins, with scaled inputs. One without any value is filled with the mean of its series."""
        at_x = origins[:, None] + np.arange(-window, 0)
        at_y = origins[:, None] + np.arange(horizon)
        series = self.series_of(origins)
        x, observed = self.filled[at_x], self.observed[at_x]
        stats = self.stats[series]
        x = np.where(np.isnan(x), stats[:, :1], x)
        place, scale = place_and_scale(scaling, x, observed, stats)
        return Windows(
            origins,
            series,
            (x - place[:, None]) / scale[:, None],
            observed,
            place,
            scale,
            self.values[at_y],
            at_x,
            at_y,
        )

    def error_units(self) -> Floats:
        """(S, 2) what errors are also measured in: the standard deviation, and the mean difference of values a season apart."""
        parts = [self.values[self.starts[s] : self.starts[s + 1]] for s in self.numbers]
        differences = [seasonal_difference(part, int(m)) for part, m in zip(parts, self.seasons, strict=True)]
        return np.stack([self.stats[:, 1], np.array(differences)], 1)

    # baselines -----------------------------------------------------------------------------------------------------
    def naive(self, windows: Windows) -> Floats:
        """The naive forecast (B, H): the last value before the origin."""
        return self._last_known(np.repeat(windows.origins[:, None] - 1, windows.y.shape[1], 1), windows)

    def seasonal_naive(self, windows: Windows) -> Floats:
        """The seasonal naive forecast (B, H): the value as many whole seasons ago as it takes to lie before the origin."""
        season = self.seasons[windows.series][:, None]
        ahead = np.arange(windows.y.shape[1])
        return self._last_known(windows.at_y - season * (ahead // season + 1), windows)

    def _last_known(self, at: Integers, windows: Windows) -> Floats:
        """The value at flat positions (B, H), or the last one before where it is missing."""
        found = self.filled[np.maximum(at, self.starts[windows.series][:, None])]
        return np.where(np.isnan(found), self.stats[windows.series, :1], found)


def _forward_filled(values: Floats, starts: Integers) -> Floats:
    """Missing values take the last one before them in their series, those at its beginning the first one after."""
    filled = values.copy()
    for begin, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        part = filled[begin:end]
        observed = ~np.isnan(part)
        if not observed.all() and observed.any():
            last = np.maximum.accumulate(np.where(observed, np.arange(len(part)), -1))
            part[:] = part[np.where(last >= 0, last, int(observed.argmax()))]
    return filled
