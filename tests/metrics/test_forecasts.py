"""Metrics of forecasts, compared with values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_panels import NAN

from recurra.metrics.forecasts import Coverage, ForecastErrors


def test_errors() -> None:
    errors = ForecastErrors()
    errors.add(np.array([[2.0, NAN]]), np.array([[4.0, 9]]), np.array([[3.0, 9]]), np.array([2.0]), np.array([0.5]))
    errors.add(np.array([[0.0, -1.0]]), np.array([[0.0, 0]]), np.array([[0.0, 1]]), np.array([4.0]), np.array([NAN]))
    metrics = errors.metrics()
    assert metrics["mse"] == pytest.approx((4 + 0 + 1) / 3) and metrics["rmse"] == pytest.approx((5 / 3) ** 0.5)
    assert metrics["mae"] == pytest.approx((1 + 0 + 2) / 3)
    assert metrics["smape"] == pytest.approx((200 * 1 / 5 + 0 + 200) / 3)
    assert metrics["mase"] == pytest.approx(1 / 0.5)  # a series without a seasonal difference has no MASE
    assert metrics["scaled_mse"] == pytest.approx((4 / 4 + 0 + 1 / 16) / 3)
    assert metrics["scaled_mae"] == pytest.approx((1 / 2 + 0 + 2 / 4) / 3)


def test_undefined_metrics_are_left_out() -> None:
    errors = ForecastErrors()
    assert errors.metrics() == {}
    errors.add(np.array([[2.0]]), np.array([[4.0]]), np.array([[3.0]]), np.array([2.0]), np.array([NAN]))
    assert list(errors.metrics()) == ["mse", "mae", "rmse", "smape", "scaled_mse", "scaled_mae"]


def test_coverage() -> None:
    """One of four observed values does not exceed the quantile 0.1, two the quantile 0.5, and all the quantile 0.9."""
    coverage = Coverage([0.1, 0.5, 0.9])
    coverage.add(np.array([[0.0, 1.0, NAN]]), np.array([[[0, 1, 2]] * 3], float))
    coverage.add(np.array([[1.5, 2.0]]), np.array([[[0, 1, 2]] * 2], float))
    assert coverage.fractions() == [0.25, 0.5, 1]
    assert coverage.intervals() == {"coverage_80": 0.75}
    assert Coverage([0.2, 0.5]).intervals() == {}
