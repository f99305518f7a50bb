"""Calibrated quantiles, and when their distances are made smaller."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_panels import NAN

from recurra.metrics.forecasts import Coverage
from recurra.tasks.forecast.calibration import apply_calibration, calibration_factors


def test_calibrated_quantiles_have_their_share() -> None:
    """On the data they were calibrated with, up to one observation; skewed and far too narrow before."""
    draw = np.random.default_rng(0)
    median = draw.normal(size=(50, 20, 1))
    width = draw.uniform(0.5, 2, size=median.shape)
    y = median[..., 0] + width[..., 0] * (draw.exponential(size=(50, 20)) - np.log(2))
    y[::7] = NAN
    levels = [0.1, 0.3, 0.5, 0.9]
    given = median + width * np.array([-0.01, -0.005, 0, 0.1])
    factors = calibration_factors(y, given, levels, 2)
    coverage = Coverage(levels)
    values = apply_calibration(np.concatenate([0 * median, given], -1), factors, 2)
    np.testing.assert_allclose(values[..., 1:], median + factors * (given - median))
    assert (values[..., 0] == 0).all()  # the mean stays where it is
    coverage.add(y, values[..., 1:])
    fractions = dict(zip(levels, coverage.fractions(), strict=True))
    for level in (0.1, 0.3, 0.9):
        assert fractions[level] == pytest.approx(level, abs=1.5 / coverage.count)
    assert factors[2] == 1 and coverage.intervals().keys() == {"coverage_80"}
    assert coverage.intervals()["coverage_80"] == pytest.approx(0.8, abs=3 / coverage.count)


def test_quantiles_are_narrowed_only_where_they_are_surely_too_wide() -> None:
    """400 forecasts of one step with errors 0.5, 1.5, ... 399.5, above and below in turn.

    The standard error of 0.9 among 400 is 0.015.
    """
    y = np.where(np.arange(400) % 2, 1.0, -1.0)[:, None] * (np.arange(400)[:, None] + 0.5)

    def fraction_above(distance: float) -> float:
        given = np.tile([0.0, distance], (400, 1, 1))
        factor = calibration_factors(y, given, [0.5, 0.9], 0)[1]
        return float((y[:, 0] <= factor * distance).mean())

    assert fraction_above(100) == pytest.approx(0.9, abs=2 / 400)  # too narrow
    assert fraction_above(325) == pytest.approx(0.5 + 325 / 800, abs=1 / 400)  # 0.906: as it is
    assert fraction_above(399) == pytest.approx(0.915, abs=2 / 400)  # 0.999: made smaller, and less than to 0.9
