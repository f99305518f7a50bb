"""Detection of the seasonality (the period) of time series by their autocorrelation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.fft import irfft, rfft
from numpy.typing import NDArray

from recurra.data.series.grid import TimeGrid

Floats = NDArray[np.float64]


def detect_seasonality(series: Sequence[Floats], grid: TimeGrid, *, max_series: int = 64) -> tuple[int, float]:
    """Return (period in time steps, autocorrelation at that lag); (1, 0.0) if there is no seasonality.

    The linear trend of each series is removed, and the autocorrelation is averaged over at most `max_series` series. The
    period is the highest peak, or a shorter lag whose peak is nearly as high. Lags up to a third of a series are considered.
    """
    indices = np.linspace(0, len(series) - 1, max_series).astype(int) if len(series) else np.zeros(0, int)
    selected = [series[at] for at in np.unique(indices)]
    longest = max((len(values) for values in selected), default=0)
    total, count = np.zeros(longest), np.zeros(longest)
    for values in selected:
        if len(values) >= 9 and (correlation := autocorrelation(values)) is not None:
            lags = len(values) // 3 + 1
            total[:lags] += correlation[:lags]
            count[:lags] += 1
    if not count.any():
        return 1, 0.0
    mean = np.where(count >= max(count.max() / 2, 1), total / np.maximum(count, 1), 0.0)
    width = max(len(mean) // 400, 1)  # The peak of a long period has several local maxima, which smoothing removes.
    smooth = np.convolve(mean, np.ones(2 * width - 1) / (2 * width - 1), "same") if width > 1 else mean
    peaks = [lag for lag in range(2, len(mean) - 1)
             if smooth[lag] >= smooth[lag - 1] and smooth[lag] > smooth[lag + 1] and mean[lag] > 0]  # fmt: skip
    for lag in grid.calendar_periods():  # A period of the calendar replaces a peak next to it.
        peaks = [lag if abs(peak - lag) <= max(width, lag // 50) and lag < len(mean) else peak for peak in peaks]
    minimum_lag = _first_decay(smooth)
    peaks = [lag for lag in peaks if lag > minimum_lag and mean[lag] > 0.1]
    if not peaks:
        return 1, 0.0
    highest = max(mean[lag] for lag in peaks)
    period = min(lag for lag in peaks if mean[lag] >= 0.85 * highest)
    return int(period), float(mean[period])


def _first_decay(correlation: Floats) -> int:
    """Return the first lag at which the correlation is below half of its maximum. Peaks before it are noise."""
    below = np.flatnonzero(correlation < 0.5 * max(correlation[1:].max(initial=0.0), 1e-9))
    return int(below[0]) if len(below) else 0


def autocorrelation(values: Floats) -> Floats | None:
    """Return the autocorrelation (N,) of a detrended series (N,) without its missing values; None if it is constant."""
    observed = ~np.isnan(values)
    if observed.sum() < 9:
        return None
    steps = np.arange(len(values))
    slope, intercept = np.polyfit(steps[observed], values[observed], 1)
    residual = np.where(observed, values - (slope * steps + intercept), 0.0)
    size = 2 * len(values)
    pairs = irfft(np.abs(rfft(observed.astype(float), size)) ** 2)[: len(values)]
    products = irfft(np.abs(rfft(residual, size)) ** 2)[: len(values)]
    covariance = products / np.maximum(np.round(pairs), 1)
    largest = float(np.nanmax(np.abs(values)))
    return None if covariance[0] <= 1e-12 * max(largest**2, 1e-300) else np.asarray(covariance / covariance[0])
