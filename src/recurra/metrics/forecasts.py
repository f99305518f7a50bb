"""Metrics of forecasts: errors of the mean and the median, and coverage of the quantiles.

mse, rmse                 errors of the mean, in the unit of the data
mae, smape, mase          errors of the median
scaled_mse, scaled_mae    errors divided by the standard deviation of the training part of each series
smape                     200 |y - f| / (|y| + |f|), in percent
mase                      |y - f| / mean |y_t - y_(t - period)|
"""

from __future__ import annotations

import math
from typing import final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
METRICS = ("mse", "mae", "rmse", "smape", "mase", "scaled_mse", "scaled_mae")


@final
class ForecastErrors:
    """Accumulates errors over batches of observed time steps."""

    def __init__(self) -> None:
        self.sums = dict.fromkeys(("mse", "mae", "smape", "mase", "scaled_mse", "scaled_mae"), 0.0)
        self.counts = dict.fromkeys(self.sums, 0)

    def add(self, y: Floats, mean: Floats, median: Floats, deviation: Floats, seasonal_difference: Floats) -> None:
        """Add a batch.

        y                     (B, H) observed values, NaN where missing
        mean, median          (B, H) forecasts
        deviation             (B,) standard deviations of the series
        seasonal_difference   (B,) scales of MASE; NaN where undefined
        """
        absolute, squared = np.abs(y - median), (y - mean) ** 2
        magnitude = np.abs(y) + np.abs(median)
        errors = {
            "mse": squared,
            "mae": absolute,
            "smape": np.where(magnitude > 0, 200 * absolute / np.where(magnitude > 0, magnitude, 1.0), 0.0 * magnitude),
            "mase": absolute / seasonal_difference[:, None],
            "scaled_mse": squared / deviation[:, None] ** 2,
            "scaled_mae": absolute / deviation[:, None],
        }
        for name, values in errors.items():
            observed = ~np.isnan(values)
            self.sums[name] += float(values[observed].sum())
            self.counts[name] += int(observed.sum())

    def metrics(self) -> dict[str, float]:
        """Return the means of the errors. A metric without time steps, or that is not finite, is left out."""
        means = {name: self.sums[name] / count for name, count in self.counts.items() if count}
        if "mse" in means:
            means["rmse"] = means["mse"] ** 0.5
        return {name: means[name] for name in METRICS if name in means and math.isfinite(means[name])}


@final
class Coverage:
    """Accumulates the fraction of the observed values that do not exceed each quantile.

    >>> coverage = Coverage([0.1, 0.5, 0.9])
    >>> coverage.add(np.array([[1.0, 4.0]]), np.array([[[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]]]))
    >>> coverage.fractions()
    [0.0, 0.5, 0.5]
    """

    def __init__(self, levels: list[float]) -> None:
        self.levels, self.below, self.count = levels, np.zeros(len(levels)), 0

    def add(self, y: Floats, quantiles: Floats) -> None:
        """Add a batch of observed values y (B, H), NaN where missing, and quantiles (B, H, Q)."""
        observed = ~np.isnan(y)
        self.below += (y[..., None] <= quantiles)[observed].sum(0)
        self.count += int(observed.sum())

    def fractions(self) -> list[float]:
        """Return the fraction of the observed values that do not exceed each quantile."""
        return [float(below) for below in self.below / max(self.count, 1)]

    def intervals(self) -> dict[str, float]:
        """Return the coverage of each central prediction interval.

        `coverage_80` is the fraction of the observed values between the quantiles 0.1 and 0.9. There is one entry for each pair
        of levels whose sum is 1.
        """
        fractions, coverages = self.fractions(), {}
        for low, level in enumerate(self.levels):
            high = next(
                (at for at, other in enumerate(self.levels) if abs(other + level - 1) < 1e-9 and at > low), None
            )
            if high is not None:
                coverages[f"coverage_{100 * (self.levels[high] - level):g}"] = fractions[high] - fractions[low]
        return coverages
