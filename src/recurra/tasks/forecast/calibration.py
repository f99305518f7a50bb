"""Calibration of quantile forecasts on the validation part: each distance from the median is multiplied by a factor."""

from __future__ import annotations

import math

import numpy as np

from .windows import Floats


def apply_calibration(values: Floats, factors: Floats, median_index: int) -> Floats:
    """Multiply the distance of each quantile from the median by its factor.

    values         (B, H, 1 + Q) the mean, then the quantiles
    factors        (Q,)
    median_index   index of the median among the quantiles
    """
    median = values[..., 1 + median_index][..., None]
    return np.concatenate([values[..., :1], median + factors * (values[..., 1:] - median)], -1)


def calibration_factors(y: Floats, quantiles: Floats, levels: list[float], median_index: int) -> Floats:
    """Return the factors (Q,) with which the fraction of `y` below each quantile equals its level.

    This is conformalized quantile regression (Romano et al. 2019, arXiv:1905.03222) with relative instead of absolute
    corrections. A distance is reduced only if it is too large by more than the standard error of the fraction among N
    forecasts: the same data have selected the context length, the scaling and the weights, so the errors on them are
    optimistic.

    y              (N, H) in any common scale, NaN where missing
    quantiles      (N, H, Q) in the same scale
    levels         the quantile levels
    median_index   index of 0.5 among the levels
    """
    observed = ~np.isnan(y)
    factors = np.ones(len(levels))
    median = quantiles[..., median_index][observed]
    error = y[observed] - median
    for at, level in enumerate(levels):
        if at == median_index or not len(error):
            continue
        distance = np.maximum(np.abs(quantiles[..., at][observed] - median), 1e-9)
        ratios = np.sort(error / distance if level > 0.5 else -error / distance)
        coverage = max(level, 1 - level)
        standard_error = math.sqrt(level * (1 - level) / len(y))
        widening = _conformal_quantile(ratios, coverage)
        narrowing = _conformal_quantile(ratios, coverage + standard_error)
        factors[at] = max(widening, min(narrowing, 1.0), 0.0)
    return factors


def _conformal_quantile(ratios: Floats, level: float) -> float:
    """Return the smallest of the sorted ratios that a fraction `level` of them and of one future ratio does not exceed."""
    rank = math.ceil((len(ratios) + 1) * level)
    return float(ratios[min(rank, len(ratios)) - 1])
