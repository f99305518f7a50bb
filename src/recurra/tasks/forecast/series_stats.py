"""Statistics of one series that scaling and metrics need."""

from __future__ import annotations

import numpy as np

from .windows import Floats


def stats_of(values: Floats) -> tuple[float, float, float]:
    """Mean, standard deviation and mean absolute value of the observed values; of the last two, 0 counts as 1."""
    observed = values[~np.isnan(values)]
    if not len(observed):
        return 0.0, 1.0, 1.0
    deviation, size = float(observed.std()), float(np.abs(observed).mean())
    return float(observed.mean()), deviation if deviation > 1e-12 * max(size, 1e-300) else 1.0, size or 1.0


def seasonal_difference(values: Floats, season: int) -> float:
    """Mean absolute difference of values a season apart, the scale of MASE (Hyndman & Koehler 2006); NaN without a pair."""
    differences = np.abs(values[season:] - values[:-season]) if len(values) > season else np.zeros(0)
    differences = differences[~np.isnan(differences)]
    return float(differences.mean()) if len(differences) and differences.mean() > 0 else float("nan")
