"""Calibration of quantiles, and the condition under which a distance is reduced."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_panels import NAN

from recurra.metrics.forecasts import Coverage
from recurra.tasks.forecast.calibration import apply_calibration, calibration_factors


def test_coverage_of_calibrated_quantiles() -> None:
    """On the calibration data, the coverage is exact up to one observation. The errors are skewed, the quantiles too narrow."""
    draw = np.random.default_rng(0)
    median = draw.normal(size=(50, 20, 1))
    width = draw.uniform(0.5, 2, size=median.shape)
    y = median[..., 0] + width[..., 0] * (draw.exponential(size=(50, 20)) - np.log(2))
    y[::7] = NAN
    levels = [0.1, 0.3, 0.5, 0.9]
    uncalibrated = median + width * np.array([-0.01, -0.005, 0, 0.1])
    factors = calibration_factors(y, uncalibrated, levels, 2)
    coverage = Coverage(levels)
    values = apply_calibration(np.concatenate([0 * median, uncalibrated], -1), factors, 2)
    np.testing.assert_allclose(values[..., 1:], median + factors * (uncalibrated - median))
    assert (values[..., 0] == 0).all()  # The mean does not change.
    coverage.add(y, values[..., 1:])
    fractions = dict(zip(levels, coverage.fractions(), strict=True))
    for level in (0.1, 0.3, 0.9):
        assert fractions[level] == pytest.approx(level, abs=1.5 / coverage.count)
    assert factors[2] == 1 and coverage.intervals().keys() == {"coverage_80"}
    assert coverage.intervals()["coverage_80"] == pytest.approx(0.8, abs=3 / coverage.count)


def test_distances_are_reduced_only_by_more_than_a_standard_error() -> None:
    """There are 400 forecasts of one time step with errors 0.5, -1.5, ... in alternation.

    The standard error of the level 0.9 is 0.015.
    """
    y = np.where(np.arange(400) % 2, 1.0, -1.0)[:, None] * (np.arange(400)[:, None] + 0.5)

    def fraction_above(distance: float) -> float:
        uncalibrated = np.tile([0.0, distance], (400, 1, 1))
        factor = calibration_factors(y, uncalibrated, [0.5, 0.9], 0)[1]
        return float((y[:, 0] <= factor * distance).mean())

    assert fraction_above(100) == pytest.approx(0.9, abs=2 / 400)  # too narrow
    assert fraction_above(325) == pytest.approx(0.5 + 325 / 800, abs=1 / 400)  # 0.906: unchanged
    assert fraction_above(399) == pytest.approx(0.915, abs=2 / 400)  # 0.999: reduced, but not to 0.9
