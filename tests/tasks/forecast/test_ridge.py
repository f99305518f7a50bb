"""Ridge regression in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from recurra.tasks.forecast.ridge import RidgeData, fit_ridge


def test_ridge_regression_with_a_small_penalty_is_least_squares() -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(400, 3))
    weight, bias = draw.normal(size=(2, 3)), np.array([3.0, -1.0])
    y = x @ weight.T + bias
    observed = np.ones(y.shape, bool)
    observed[::5, 0] = False
    y[::5, 0] = 1e6  # Missing targets have no effect.
    valid = RidgeData(x[:50], x[:50] @ weight.T + bias, np.ones((50, 2), bool))
    fit = fit_ridge(RidgeData(x, y, observed), valid, np.ones(50))
    np.testing.assert_allclose(fit.weight, weight, rtol=1e-3, atol=1e-3)  # The smallest penalty is 1e-4.
    np.testing.assert_allclose(fit.bias, bias, rtol=1e-3)
    assert fit.error == pytest.approx(0, abs=2e-3)


def test_the_penalty_with_the_lowest_error_is_selected() -> None:
    """The targets are noise, so the largest penalty is best. With one input, the weight is cov / ((1 + penalty) var)."""
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(2, 60, 1))
    observed = np.ones((60, 1), bool)
    fit = fit_ridge(RidgeData(x, y, observed), RidgeData(x, 0 * y + y.mean(), observed), np.full(60, 3.0))
    weight = ((x - x.mean()) * (y - y.mean())).mean() / (2 * x.var())
    assert fit.weight[0, 0] == pytest.approx(weight)
    assert fit.bias[0] == pytest.approx(y.mean() - weight * x.mean())
    assert fit.error == pytest.approx(3 * np.abs(weight * (x - x.mean())).mean())


def test_filled_targets_are_used_if_too_few_examples_are_complete() -> None:
    x = np.linspace(-1, 1, 8)[:, None]
    observed = np.zeros((8, 1), bool)
    observed[0] = True  # one example of eight: fewer than two
    fit = fit_ridge(RidgeData(x, 2 * x, observed), RidgeData(x, 2 * x, observed), np.ones(8))
    assert fit.weight[0, 0] == pytest.approx(2, rel=1e-3)
    unobserved = fit_ridge(RidgeData(x, 2 * x, observed), RidgeData(x, 2 * x, 0 * observed > 0), np.ones(8))
    assert unobserved.error == float("inf")
