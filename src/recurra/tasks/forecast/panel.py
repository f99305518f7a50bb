"""A panel: many time series, concatenated in flat arrays, from which windows are extracted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from .scaling import loc_and_scale
from .series_stats import seasonal_difference
from .windows import Floats, Integers, WindowBatch


@final
@dataclass
class Panel:
    """N time steps of S series. Series s is `values[starts[s] : starts[s + 1]]`. Arrays of absent covariates have width 0.

    A window is identified by its origin, the flat position of the first time step of its target. The T time steps before the
    origin are its context, and the H time steps from the origin on are its target. All of them belong to one series.
    """

    values: Floats  # (N,), NaN where missing
    future_covariates: NDArray[np.float32]  # (N, K) standardized, 0 where missing
    past_covariates: NDArray[np.float32]  # (N, P) standardized, 0 where missing
    calendar: NDArray[np.float32]  # (N, C)
    starts: Integers  # (S + 1,)
    stats: Floats  # (S, 3) mean, standard deviation and mean absolute value
    seasonality: Integers  # (S,) period in time steps
    embedding_indices: (
        Integers  # (S,) indices of the series embeddings; 0 for a series that was not in the training data
    )
    static_covariates: NDArray[np.float32]  # (S, F)

    def __post_init__(self) -> None:
        self.filled, self.observed = _forward_filled(self.values, self.starts), ~np.isnan(self.values)

    @property
    def series_indices(self) -> Integers:
        """The indices of the series, (S,)."""
        return np.arange(len(self.starts) - 1)

    def series_of(self, origins: Integers) -> Integers:
        """Return the index of the series of each origin."""
        return np.searchsorted(self.starts, origins, side="right") - 1

    def origins(
        self, first: Integers, last: Integers, horizon: int, step_size: int = 1, num_windows: int | None = None
    ) -> Integers:
        """Return the origins from `first` (S,) to `last` (S,), both included, whose target has an observed value.

        Origins of one series are `step_size` apart, counted back from the last one. At most `num_windows` origins per series
        are returned, the latest ones.
        """
        parts = []
        cumulative = np.concatenate([[0], np.cumsum(self.observed)])
        for begin, end in zip(first.tolist(), last.tolist(), strict=True):
            candidates = np.arange(end, begin - 1, -step_size, dtype=np.int64)
            target_ends = np.minimum(candidates + horizon, len(self.values))
            candidates = candidates[cumulative[target_ends] > cumulative[candidates]]
            parts.append(candidates[:num_windows][::-1])
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def windows(self, origins: Integers, context_length: int, horizon: int, scaling: str) -> WindowBatch:
        """Return the windows at the given origins (B,). A context without any value is filled with the mean of its series."""
        context_positions = origins[:, None] + np.arange(-context_length, 0)
        target_positions = origins[:, None] + np.arange(horizon)
        series = self.series_of(origins)
        x, observed = self.filled[context_positions], self.observed[context_positions]
        stats = self.stats[series]
        x = np.where(np.isnan(x), stats[:, :1], x)
        loc, scale = loc_and_scale(scaling, x, observed, stats)
        return WindowBatch(
            origins=origins,
            series=series,
            x=(x - loc[:, None]) / scale[:, None],
            observed=observed,
            loc=loc,
            scale=scale,
            y=self.values[target_positions],
            context_positions=context_positions,
            target_positions=target_positions,
        )

    def error_scales(self) -> Floats:
        """Return the scales (S, 2) of relative errors: the standard deviation and the mean seasonal difference."""
        parts = [self.values[self.starts[s] : self.starts[s + 1]] for s in self.series_indices]
        differences = [seasonal_difference(part, int(m)) for part, m in zip(parts, self.seasonality, strict=True)]
        return np.stack([self.stats[:, 1], np.array(differences)], 1)

    # baselines -----------------------------------------------------------------------------------------------------
    def naive(self, windows: WindowBatch) -> Floats:
        """Return the naive forecast (B, H): the last value before the origin."""
        return self._values_at(np.repeat(windows.origins[:, None] - 1, windows.y.shape[1], 1), windows)

    def seasonal_naive(self, windows: WindowBatch) -> Floats:
        """Return the seasonal naive forecast (B, H): the latest value before the origin, a whole number of periods earlier."""
        period = self.seasonality[windows.series][:, None]
        steps = np.arange(windows.y.shape[1])
        return self._values_at(windows.target_positions - period * (steps // period + 1), windows)

    def _values_at(self, positions: Integers, windows: WindowBatch) -> Floats:
        """Return the values at flat positions (B, H); a missing value is replaced by the last value before it."""
        values = self.filled[np.maximum(positions, self.starts[windows.series][:, None])]
        return np.where(np.isnan(values), self.stats[windows.series, :1], values)


def _forward_filled(values: Floats, starts: Integers) -> Floats:
    """Replace each missing value by the last value before it in its series, or at the beginning by the first value."""
    filled = values.copy()
    for begin, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        part = filled[begin:end]
        observed = ~np.isnan(part)
        if not observed.all() and observed.any():
            last = np.maximum.accumulate(np.where(observed, np.arange(len(part)), -1))
            part[:] = part[np.where(last >= 0, last, int(observed.argmax()))]
    return filled
