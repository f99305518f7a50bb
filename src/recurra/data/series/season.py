"""The season of series: so many steps after which they look alike, found by their autocorrelation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.fft import irfft, rfft
from numpy.typing import NDArray

from recurra.data.series.times import Grid

Floats = NDArray[np.float64]


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
