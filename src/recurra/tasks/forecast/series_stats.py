"""Statistics of one series for scaling and for metrics."""

from __future__ import annotations

import numpy as np

from .windows import Floats


def stats_of(values: Floats) -> tuple[float, float, float]:
    """Return mean, standard deviation and mean absolute value of the observed values. The last two are 1 instead of 0."""
    observed = values[~np.isnan(values)]
    if not len(observed):
        return 0.0, 1.0, 1.0
    deviation, mean_abs = float(observed.std()), float(np.abs(observed).mean())
    return float(observed.mean()), deviation if deviation > 1e-12 * max(mean_abs, 1e-300) else 1.0, mean_abs or 1.0


def seasonal_difference(values: Floats, period: int) -> float:
    """Return the mean absolute difference of values one period apart; NaN if there is no such pair.

    This is the scale of MASE (Hyndman & Koehler 2006).
    """
    differences = np.abs(values[period:] - values[:-period]) if len(values) > period else np.zeros(0)
    differences = differences[~np.isnan(differences)]
    return float(differences.mean()) if len(differences) and differences.mean() > 0 else float("nan")
