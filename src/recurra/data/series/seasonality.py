"""Detection of the seasonality (the period) of time series.

For each half octave of periods, up to a third of a series, the series are smoothed over a twelfth of the period and differenced
over a quarter of it. This removes trends, random walks and most of the noise, and keeps a wave of that period:

    y[t] = x[t] - x[t - s],   s = period / 4,   x = mean of a window of period / 12

A period is a peak of the autocorrelation of y that is also high at twice (and four times) the lag, since the autocorrelation of
a noise with memory decays. Among the peaks, the shortest period is chosen whose mean cycle explains nearly as much of the
variance as that of any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.fft import irfft, rfft
from numpy.typing import NDArray

from recurra.data.series.grid import TimeGrid

Floats = NDArray[np.float64]
MIN_CYCLES = 3.0  # in a series
_SLACK = 1.05  # tolerated excess of a third of a series, since the lag of a peak is not exact
_Z = 1.45  # mean correlation times the root of the cycles; noise and random walks reach 1.1
_FEW_CYCLES = 0.8  # mean correlation that suffices with few cycles; random walks reach 0.75
_DECAY = 0.5  # autocorrelation at multiples of the period, relative to that at the period
_MANY_CYCLES = 8.0  # from which four periods are compared
_NEARLY = 0.85  # of the explained variance of the best period
_MIN_STRENGTH = 0.05  # autocorrelation at the period
_MAX_PEAKS = 6  # of a half octave
_MIN_SERIES = 12  # values
_HARMONICS = 4  # of a period that is refined
_LEVELED = 6  # periods from which a moving mean, not a linear trend, is removed
_REFINED = 4  # series that refine a period
_FOLDED = 16  # series whose mean cycles are computed


class _Peak(NamedTuple):
    """A peak of the autocorrelation: its lag, its height, and whether it is significant."""

    lag: int
    height: float


def detect_seasonality(series: Sequence[Floats], grid: TimeGrid, *, max_series: int = 64) -> tuple[int, float]:
    """Return (period in time steps, autocorrelation at that lag without trend); (1, 0.0) if there is no seasonality.

    At most `max_series` series, evenly spaced, are used; their autocorrelations are averaged. Missing values are NaN.

    >>> wave = np.sin(2 * np.pi * np.arange(240) / 24)
    >>> detect_seasonality([wave], TimeGrid("step", 1))[0]
    24
    """
    indices = np.linspace(0, len(series) - 1, max_series).astype(int) if len(series) else np.zeros(0, int)
    selected = [values for at in np.unique(indices) if _is_usable(values := series[at])]
    if not selected:
        return 1, 0.0
    longest = max(map(len, selected))
    independent = _independent_series(selected)
    peaks = [peak for length in _half_octaves(longest) for peak in _peaks(selected, length, independent)]
    peaks = list({peak.lag: peak for peak in (*_calendar_peaks(peaks, grid), *peaks)}.values())
    if not peaks:
        return 1, 0.0
    period = _choose(selected, sorted(peak.lag for peak in peaks), grid)
    strength = _strength(selected, period)
    return (period, strength) if strength >= _MIN_STRENGTH else (1, 0.0)


def _is_usable(values: Floats) -> bool:
    observed = values[~np.isnan(values)]
    if len(observed) < _MIN_SERIES:
        return False
    return float(observed.std()) > 1e-9 * max(float(np.abs(observed).max()), 1e-300)


def _half_octaves(steps: int) -> list[float]:
    """Return the longest period of each half octave, from 2 to a third of a series."""
    lengths, length = [], 3.0
    while length / 2**0.5 <= _SLACK * steps / MIN_CYCLES:
        lengths.append(length)
        length *= 2**0.5
    return lengths


def _independent_series(series: Sequence[Floats]) -> float:
    """Return how many independent series have as much information as these, by the correlations of their differences."""
    count, steps = len(series), min(map(len, series))
    changes = np.array([np.diff(values[-steps:]) for values in series[:_FOLDED]])
    changes = np.nan_to_num(changes - np.nanmean(changes, 1, keepdims=True) if steps > 2 else changes)
    norms = np.sqrt((changes**2).sum(1))
    changes = changes[norms > 0] / norms[norms > 0, None]
    if len(changes) < 2:
        return 1.0
    squares = (changes @ changes.T) ** 2
    shared = float((squares.sum() - len(changes)) / (len(changes) * (len(changes) - 1)))
    return count / (1 + (count - 1) * min(max(shared, 0.0), 1.0))


# autocorrelation -------------------------------------------------------------------------------------------------------
def moving_mean(values: Floats, width: int) -> Floats:
    """Return the centered moving mean of the observed values; windows are shorter at both ends. NaN where none is observed."""
    if width <= 1:
        return values
    observed = ~np.isnan(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(observed, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(observed)])
    begins = np.arange(len(values)) - width // 2
    ends = np.clip(begins + width, 0, len(values))
    begins = np.clip(begins, 0, len(values))
    count = counts[ends] - counts[begins]
    return np.where(count > 0, (sums[ends] - sums[begins]) / np.maximum(count, 1), np.nan)


def autocorrelation(values: Floats) -> Floats | None:
    """Return the autocorrelation (N,) of a series (N,) without its missing values; None if it is constant."""
    observed = ~np.isnan(values)
    if observed.sum() < 8:
        return None
    residual = np.where(observed, values - values[observed].mean(), 0.0)
    size = 1 << (2 * len(values) - 1).bit_length()
    pairs = np.round(irfft(np.abs(rfft(observed.astype(np.float64), size)) ** 2, size)[: len(values)])
    products = irfft(np.abs(rfft(residual, size)) ** 2, size)[: len(values)]
    covariance = products / np.maximum(pairs, 1)
    largest = float(np.abs(values[observed]).max())
    return None if covariance[0] <= 1e-18 * max(largest**2, 1e-300) else np.asarray(covariance / covariance[0])


def _peaks(series: Sequence[Floats], length: float, independent: float) -> list[_Peak]:
    """Return the significant peaks of the mean autocorrelation in the half octave below `length`."""
    width, span = int(length / 12), max(round(0.85 * length / 4), 1)
    usable = [values for values in series if _SLACK * len(values) / MIN_CYCLES >= length / 2**0.5]
    filtered = [(x := moving_mean(values, width))[span:] - x[:-span] for values in usable]
    correlations = [one for y in filtered if (one := autocorrelation(y)) is not None]
    if not correlations:
        return []
    steps = max(map(len, correlations)) + span
    total, count = np.zeros(steps), np.zeros(steps)
    for one in correlations:
        total[: len(one)] += one
        count[: len(one)] += 1
    mean = np.where(count > 0, total / np.maximum(count, 1), -1.0)
    independent = max(independent * len(correlations) / len(series), 1.0)
    first = max(int(np.ceil(length / 2**0.5)), 2)
    last = min(int(length), int(_SLACK * steps / MIN_CYCLES), steps - 2)
    maxima = [lag for lag in range(first, last + 1) if mean[lag - 1] <= mean[lag] > mean[lag + 1] and mean[lag] > 0]
    found = []
    for lag in sorted(maxima, key=lambda lag: -mean[lag])[:_MAX_PEAKS]:
        height = _persistent_height(filtered, mean, lag, steps)
        required = min(_Z / (steps / lag - 1) ** 0.5 / independent**0.5, _FEW_CYCLES)
        if height > max(required, _MIN_STRENGTH):
            found.append(_Peak(lag, height))
    return found


def _persistent_height(series: Sequence[Floats], mean: Floats, lag: int, steps: int) -> float:
    """Return the mean correlation at a lag and its multiples; 0 if it decays, as that of a noise with memory."""
    heights = [_correlation(series, lag)]
    for multiple in (2, 4) if steps / lag >= _MANY_CYCLES else (2,):
        slack = multiple * (lag // 32 + (lag > 4) * (multiple // 2))
        begin = multiple * lag - slack
        heights.append(_correlation(series, begin + int(mean[begin : multiple * lag + slack + 1].argmax())))
    return float(np.mean(heights)) if min(heights[1:]) > _DECAY * heights[0] else 0.0


def _correlation(series: Sequence[Floats], lag: int) -> float:
    """Return the mean correlation of values that are `lag` time steps apart, over the series that are long enough."""
    found = []
    for values in series:
        if len(values) <= lag + 2:
            continue
        centered = values - np.nanmean(values)
        one, other = centered[:-lag], centered[lag:]
        both = ~(np.isnan(one) | np.isnan(other))
        energy = float(np.square(one[both]).sum()) * float(np.square(other[both]).sum())
        found.append(float((one[both] * other[both]).sum()) / energy**0.5 if energy > 0 else 0.0)
    return float(np.mean(found)) if found else 0.0


def _calendar_peaks(peaks: Sequence[_Peak], grid: TimeGrid) -> list[_Peak]:
    """Return the periods of the calendar that are next to a peak."""
    return [
        _Peak(period, peak.height)
        for period in grid.calendar_periods()
        for peak in peaks
        if period > 1 and abs(peak.lag - period) <= max(1, peak.lag // 25)
    ]


# the mean cycle --------------------------------------------------------------------------------------------------------
def _choose(series: Sequence[Floats], lags: Sequence[int], grid: TimeGrid) -> int:
    """Return the shortest period whose mean cycle explains nearly as much as that of any other, near some lags."""
    longest = sorted(series, key=len, reverse=True)[:_FOLDED]
    calendar = [period for period in grid.calendar_periods() if period > 1]
    best = 0
    for lag in lags:
        multiple = best * round(lag / best) if best else 0
        if lag not in calendar:
            is_multiple = multiple and abs(multiple - lag) <= max(lag // 16, 1)
            lag = multiple if is_multiple else _refined(longest, lag)
            lag = next((one for one in calendar if abs(one - lag) <= max(1, lag // 50)), lag)
        flat = [values - moving_mean(values, lag) for values in longest]
        if not best or _explained(flat, best) < _NEARLY * _explained(flat, lag):
            best = lag
    return best


def _refined(series: Sequence[Floats], lag: int) -> int:
    """Return the period near a lag whose harmonics, with a linear trend, leave the smallest error."""
    slack = max(lag // 12, 1) if lag > 4 else 0
    candidates = range(max(lag - slack, 2), lag + slack + 1, max(lag // 400, 1))
    errors = np.zeros(len(candidates))
    for values in series[:_REFINED]:
        flat = values - moving_mean(values, lag) if len(values) > _LEVELED * lag else values
        steps = np.flatnonzero(~np.isnan(flat))
        known = flat[steps]
        spread = float(((known - known.mean()) ** 2).sum()) or 1.0
        for at, period in enumerate(candidates):
            angles = 2 * np.pi / period * steps[:, None] * np.arange(1, min(_HARMONICS, period // 2) + 1)
            design = np.concatenate(
                [np.ones((len(steps), 1)), steps[:, None] / len(values), np.cos(angles), np.sin(angles)], 1
            )
            products = design.T @ known
            explained = products @ np.linalg.pinv(design.T @ design) @ products
            errors[at] += 1 - float(explained - known.mean() ** 2 * len(known)) / spread
    return candidates[int(errors.argmin())]


def _explained(series: Sequence[Floats], period: int) -> float:
    """Return the fraction of the variance that the mean cycle explains, adjusted for its length, averaged over series."""
    fractions = []
    for values in series:
        observed = np.flatnonzero(~np.isnan(values))
        if len(observed) < 2 * period:
            continue
        phases, known = observed % period, values[observed] - values[observed].mean()
        counts = np.bincount(phases, minlength=period)
        cycle = np.bincount(phases, known, period) / np.maximum(counts, 1)
        rest = float(((known - cycle[phases]) ** 2).sum()) / max(len(known) - period, 1)
        fractions.append(1 - rest / max(float((known**2).sum()) / max(len(known) - 1, 1), 1e-300))
    return float(np.mean(fractions)) if fractions else 0.0


def _strength(series: Sequence[Floats], period: int) -> float:
    """Return the mean autocorrelation at the period, without trends."""
    found = []
    for values in series:
        correlation = autocorrelation(values - moving_mean(values, period)) if len(values) > 2 * period else None
        if correlation is not None:
            found.append(min(float(correlation[period]), 1.0))
    return float(np.mean(found)) if found else 0.0
