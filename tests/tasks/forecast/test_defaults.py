"""Open settings that are chosen from the data."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_panels import NAN, panel, series

from recurra.errors import DataError
from recurra.tasks.forecast.defaults import candidate_context_lengths, default_sizes, fit_candidates, select_candidate
from recurra.tasks.forecast.seasonality import default_horizon, seasonality_by_grid
from recurra.tasks.forecast.split_windows import SplitWindows


def split(n: int = 60, seasonality: int = 4) -> SplitWindows:
    return SplitWindows(panel([float(k % seasonality) for k in range(n)], seasonality=seasonality), np.array([n - 10]))


def test_candidate_context_lengths_are_multiples_of_horizon_and_period() -> None:
    assert candidate_context_lengths(split(), 3) == [3, 4, 6, 8, 12, 28]  # 56 is longer than 50 - 2 * 3
    assert candidate_context_lengths(split(16), 3) == [
        2
    ]  # The training part of 6 time steps is too short for any of them.


def test_the_context_that_contains_a_period_has_the_lowest_error() -> None:
    split_windows = split()
    candidates = fit_candidates(split_windows, 3, [2, 8], ["last_value", "global"])
    assert [(one.context_length, one.scaling) for one in candidates] == [
        (2, "last_value"),
        (2, "global"),
        (8, "last_value"),
        (8, "global"),
    ]
    best, message = select_candidate(candidates, 3)
    assert best.context_length == 8 and best.fit.error == min(one.fit.error for one in candidates) < 1e-3
    worst = max(candidates, key=lambda one: one.fit.error)
    assert message == (
        f"context length 8, horizon 3, scaling {best.scaling}: lowest validation error of 4 ridge regressions, "
        f"{best.fit.error:.3f} standard deviations (highest: {worst.fit.error:.3f}, context length 2, scaling {worst.scaling})"
    )
    assert select_candidate(candidates[:1], 3)[1] == "context length 2, horizon 3, scaling last_value"


def test_a_fit_forecasts_the_scaled_targets() -> None:
    split_windows = split()
    (only,) = fit_candidates(split_windows, 3, [8], ["global"])
    windows = split_windows.panel.windows(split_windows.valid_origins(8, 3), 8, 3, "global")
    forecast = windows.x @ only.fit.weight.T + only.fit.bias
    np.testing.assert_allclose(forecast, windows.scaled_y(), atol=2e-3)


def test_a_context_longer_than_the_training_part_is_an_error() -> None:
    split_windows = SplitWindows(panel([1, 2, 3, NAN, NAN, 6, 7, 8]), np.array([5]))
    with pytest.raises(
        DataError, match="no series of the training part has a value after its first 3 time steps, the context"
    ):
        fit_candidates(split_windows, 2, [3])


def test_default_sizes_increase_with_the_number_of_windows() -> None:
    few, many = default_sizes(100, 24, 1), default_sizes(100_000, 5, 20)
    assert few["model"] == {
        "hidden_size": 32,
        "num_layers": 1,
        "dropout": 0.2,
        "segment_length": 3,
        "series_embedding": False,
    }
    assert few["training"] == {
        "batch_size": 16, "learning_rate": 1e-3, "epochs": 60.0, "ema_decay": 0.99, "patience": 6
    }  # fmt: skip
    assert (many["model"]["hidden_size"], many["model"]["segment_length"], many["model"]["series_embedding"]) == (
        128,
        1,
        True,
    )
    assert (many["training"]["batch_size"], many["training"]["epochs"]) == (256, 10.0)
    assert not default_sizes(1000, 5, 65)["model"]["series_embedding"]


def test_the_seasonality_is_detected_or_as_requested() -> None:
    one = series("a", [float(k % 5) for k in range(80)])
    periods, reason = seasonality_by_grid([one], {}, None)
    assert periods == {one.grid.name: 5} and reason.startswith("5 time steps, detected by autocorrelation (")
    assert seasonality_by_grid([one], {}, 3) == ({one.grid.name: 3}, "3 time steps, as requested")


def test_the_default_horizon_is_a_period_or_a_twentieth_of_the_series() -> None:
    one = series("a", [0.0] * 80)
    assert default_horizon([one], {one.grid.name: 5}) == 5
    assert default_horizon([one], {one.grid.name: 11}) == 4  # A period of 11 fits only seven times.
