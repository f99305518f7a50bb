"""Open settings that are chosen from the series."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_panels import NAN, panel, series

from recurra.errors import DataError
from recurra.tasks.forecast.defaults import candidate_context_lengths, select_candidate, fit_candidates, default_sizes
from recurra.tasks.forecast.seasonality import default_horizon, seasonality_by_grid
from recurra.tasks.forecast.split_windows import SplitWindows


def split(n: int = 60, season: int = 4) -> SplitWindows:
    return SplitWindows(panel([float(k % season) for k in range(n)], seasonality=season), np.array([n - 10]))


def test_candidate_windows_are_multiples_of_horizon_and_season() -> None:
    assert candidate_context_lengths(split(), 3) == [3, 4, 6, 8, 12, 28]  # 56 is longer than 50 - 2 * 3
    assert candidate_context_lengths(split(16), 3) == [2]  # a part to train on of 6 steps is too short for any


def test_the_window_that_holds_the_season_has_the_least_error() -> None:
    made = split()
    candidates = fit_candidates(made, 3, [2, 8], ["last", "training"])
    assert [(one.context_length, one.scaling) for one in candidates] == [
        (2, "last"),
        (2, "training"),
        (8, "last"),
        (8, "training"),
    ]
    best, line = select_candidate(candidates, 3)
    assert best.context_length == 8 and best.fit.error == min(one.fit.error for one in candidates) < 1e-3
    worst = max(candidates, key=lambda one: one.fit.error)
    assert line == (
        f"window 8, horizon 3, scaling {best.scaling}: the least of 4 errors of a ridge regression on the part held back, "
        f"{best.fit.error:.3f} deviations (most: {worst.fit.error:.3f}, window 2, {worst.scaling})"
    )
    assert select_candidate(candidates[:1], 3)[1] == "window 2, horizon 3, scaling last"


def test_a_fit_forecasts_the_scaled_targets() -> None:
    made = split()
    (only,) = fit_candidates(made, 3, [8], ["training"])
    windows = made.panel.windows(made.valid_origins(8, 3), 8, 3, "training")
    forecast = windows.x @ only.fit.weight.T + only.fit.bias
    np.testing.assert_allclose(forecast, windows.scaled_y(), atol=2e-3)


def test_a_window_longer_than_the_part_to_train_on_is_refused() -> None:
    made = SplitWindows(panel([1, 2, 3, NAN, NAN, 6, 7, 8]), np.array([5]))
    with pytest.raises(DataError, match="no series has a value after its first 3 steps, the window"):
        fit_candidates(made, 2, [3])


def test_sizes_grow_with_the_number_of_windows() -> None:
    few, many = default_sizes(100, 24, 1), default_sizes(100_000, 5, 20)
    assert few["model"] == {"hidden_size": 32, "num_layers": 1, "dropout": 0.2, "segment_length": 3, "series_embedding": False}
    assert few["training"] == {
        "batch_size": 16, "learning_rate": 1e-3, "epochs": 60.0, "ema_decay": 0.99, "patience": 6
    }  # fmt: skip
    assert (many["model"]["hidden_size"], many["model"]["segment_length"], many["model"]["series_embedding"]) == (128, 1, True)
    assert (many["training"]["batch_size"], many["training"]["epochs"]) == (256, 10.0)
    assert not default_sizes(1000, 5, 65)["model"]["series_embedding"]


def test_the_season_is_found_or_as_requested() -> None:
    one = series("a", [float(k % 5) for k in range(80)])
    seasons, reason = seasonality_by_grid([one], {}, None)
    assert seasons == {one.grid.name: 5} and reason.startswith("5 steps, found by the autocorrelation (")
    assert seasonality_by_grid([one], {}, 3) == ({one.grid.name: 3}, "3 steps, as asked")


def test_the_horizon_is_a_season_that_fits_or_a_twentieth() -> None:
    one = series("a", [0.0] * 80)
    assert default_horizon([one], {one.grid.name: 5}) == 5
    assert default_horizon([one], {one.grid.name: 11}) == 4  # 11 fits seven times
