"""Figures of forecasts: how far the mean and the median are off, and how often the truth lies under each quantile.

mse, rmse          of the mean, in the data's unit          mae, smape, mase   of the median
scaled_mse, _mae   after division by the deviation of each series' training part
smape              200 |y - f| / (|y| + |f|), in percent     mase   |y - f| over the mean |y_t - y_(t - season)|
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FIGURES = ("mse", "mae", "rmse", "smape", "mase", "scaled_mse", "scaled_mae")


class Errors:
    """Sums over the steps that were observed. `add` takes them a batch at a time."""

    def __init__(self) -> None:
        self.sums = dict.fromkeys(("mse", "mae", "smape", "mase", "scaled_mse", "scaled_mae"), 0.0)
        self.counts = dict.fromkeys(self.sums, 0)

    def add(self, y: Floats, mean: Floats, median: Floats, deviation: Floats, season_error: Floats) -> None:
        """y, mean, median (B, H), NaN in y where nothing was observed; deviation and season_error (B,), or NaN."""
        absolute, squared = np.abs(y - median), (y - mean) ** 2
        size = np.abs(y) + np.abs(median)
        each = {
            "mse": squared,
            "mae": absolute,
            "smape": np.where(size > 0, 200 * absolute / np.where(size > 0, size, 1.0), 0.0 * size),
            "mase": absolute / season_error[:, None],
            "scaled_mse": squared / deviation[:, None] ** 2,
            "scaled_mae": absolute / deviation[:, None],
        }
        for name, values in each.items():
            there = ~np.isnan(values)
            self.sums[name] += float(values[there].sum())
            self.counts[name] += int(there.sum())

    def figures(self) -> dict[str, float]:
        means = {name: self.sums[name] / self.counts[name] if self.counts[name] else float("nan") for name in self.sums}
        return {name: means["mse"] ** 0.5 if name == "rmse" else means[name] for name in FIGURES}


class Coverage:
    """How often the truth lies under each quantile."""

    def __init__(self, levels: list[float]) -> None:
        self.levels, self.under, self.count = levels, np.zeros(len(levels)), 0

    def add(self, y: Floats, quantiles: Floats) -> None:
        """y (B, H), quantiles (B, H, Q)."""
        there = ~np.isnan(y)
        self.under += (y[..., None] <= quantiles)[there].sum(0)
        self.count += int(there.sum())

    def shares(self) -> list[float]:
        return (self.under / max(self.count, 1)).tolist()  # type: ignore[no-any-return]

    def intervals(self) -> dict[str, float]:
        """`coverage_80`: the share observed between the quantiles 0.1 and 0.9, for each pair of levels that add up to 1."""
        shares, found = self.shares(), {}
        for low, level in enumerate(self.levels):
            high = next(
                (at for at, other in enumerate(self.levels) if abs(other + level - 1) < 1e-9 and at > low), None
            )
            if high is not None:
                found[f"coverage_{100 * (self.levels[high] - level):g}"] = shares[high] - shares[low]
        return found
