"""Calibration of quantiles on the validation part: factors for their distances from the median."""

from __future__ import annotations

import math

import numpy as np

from .windows import Floats


def calibrated(values: Floats, factors: Floats, middle: int) -> Floats:
    """(B, H, 1 + Q), the mean and the quantiles, with the distance of each quantile from the median times its factor (Q,).

    middle: the index of the median among the quantiles
    """
    median = values[..., 1 + middle][..., None]
    return np.concatenate([values[..., :1], median + factors * (values[..., 1:] - median)], -1)


def calibration_factors(y: Floats, quantiles: Floats, levels: list[float], middle: int) -> Floats:
    """The factors (Q,) with which the fraction of these data under each quantile is its level.

    This is split conformal prediction of quantiles (Romano et al. 2019, arXiv:1905.03222), in units of the distance. A
    distance is made smaller only where it is too large by more than the standard error of the fraction among N forecasts:
    the same data have selected window, scaling and weights, so the errors on them are optimistic.

    y (N, H) and quantiles (N, H, Q) in any common scale, NaN in y where nothing was observed.
    """
    observed = ~np.isnan(y)
    factors = np.ones(len(levels))
    median = quantiles[..., middle][observed]
    error = y[observed] - median
    for at, level in enumerate(levels):
        if at == middle or not len(error):
            continue
        distance = np.maximum(np.abs(quantiles[..., at][observed] - median), 1e-9)
        ratios = np.sort(error / distance if level > 0.5 else -error / distance)
        outer = max(level, 1 - level)
        standard_error = math.sqrt(level * (1 - level) / len(y))
        wider, narrower = _conformal_quantile(ratios, outer), _conformal_quantile(ratios, outer + standard_error)
        factors[at] = max(wider, min(narrower, 1.0), 0.0)
    return factors


def _conformal_quantile(ratios: Floats, level: float) -> float:
    """The smallest of sorted ratios that this fraction of them, and of one more that could come, does not exceed."""
    rank = math.ceil((len(ratios) + 1) * level)
    return float(ratios[min(rank, len(ratios)) - 1])
