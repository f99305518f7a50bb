"""Metrics of forecasts: errors of the mean and the median, and how often the truth lies under each quantile.

mse, rmse          of the mean, in the unit of the data     mae, smape, mase   of the median
scaled_mse, _mae   after division by the standard deviation of each series' training part
smape              200 |y - f| / (|y| + |f|), in percent     mase   |y - f| over the mean |y_t - y_(t - season)|
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
    """Sums over the observed steps. `add` takes them a batch at a time."""

    def __init__(self) -> None:
        self.sums = dict.fromkeys(("mse", "mae", "smape", "mase", "scaled_mse", "scaled_mae"), 0.0)
        self.counts = dict.fromkeys(self.sums, 0)

    def add(self, y: Floats, mean: Floats, median: Floats, deviation: Floats, seasonal_difference: Floats) -> None:
        """y, mean, median (B, H), NaN in y where nothing was observed; deviation and seasonal_difference (B,), or NaN."""
        absolute, squared = np.abs(y - median), (y - mean) ** 2
        size = np.abs(y) + np.abs(median)
        each = {
            "mse": squared,
            "mae": absolute,
            "smape": np.where(size > 0, 200 * absolute / np.where(size > 0, size, 1.0), 0.0 * size),
            "mase": absolute / seasonal_difference[:, None],
            "scaled_mse": squared / deviation[:, None] ** 2,
            "scaled_mae": absolute / deviation[:, None],
        }
        for name, values in each.items():
            observed = ~np.isnan(values)
            self.sums[name] += float(values[observed].sum())
            self.counts[name] += int(observed.sum())

    def metrics(self) -> dict[str, float]:
        """Those that are defined: a metric without any step, or that is not finite, is left out."""
        means = {name: self.sums[name] / count for name, count in self.counts.items() if count}
        if "mse" in means:
            means["rmse"] = means["mse"] ** 0.5
        return {name: means[name] for name in METRICS if name in means and math.isfinite(means[name])}


@final
class Coverage:
    """How often the truth lies under each quantile."""

    def __init__(self, levels: list[float]) -> None:
        self.levels, self.under, self.count = levels, np.zeros(len(levels)), 0

    def add(self, y: Floats, quantiles: Floats) -> None:
        """y (B, H), quantiles (B, H, Q)."""
        observed = ~np.isnan(y)
        self.under += (y[..., None] <= quantiles)[observed].sum(0)
        self.count += int(observed.sum())

    def fractions(self) -> list[float]:
        """The fraction of the observed steps under each quantile."""
        return [float(under) for under in self.under / max(self.count, 1)]

    def intervals(self) -> dict[str, float]:
        """`coverage_80`: the fraction between the quantiles 0.1 and 0.9, for each pair of levels that add up to 1."""
        fractions, found = self.fractions(), {}
        for low, level in enumerate(self.levels):
            high = next(
                (at for at, other in enumerate(self.levels) if abs(other + level - 1) < 1e-9 and at > low), None
            )
            if high is not None:
                found[f"coverage_{100 * (self.levels[high] - level):g}"] = fractions[high] - fractions[low]
        return found
