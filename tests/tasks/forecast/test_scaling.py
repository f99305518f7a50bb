"""The four scalings of a window."""

from __future__ import annotations

import numpy as np
import pytest

from recurra.tasks.forecast.scaling import SCALINGS, loc_and_scale


def test_scalings_by_hand() -> None:
    x, stats = np.array([[1.0, 3.0, 8.0]]), np.array([[10.0, 2.0, 5.0]])
    observed = np.array([[True, True, False]])  # 8 was only filled in
    assert [[float(v[0]) for v in loc_and_scale(s, x, observed, stats)] for s in ("training", "last", "window", "mean_abs")] == [
        [10, 2], [8, 2], [2, 1], [2, 2]
    ]  # fmt: skip


@pytest.mark.parametrize("scaling", SCALINGS)
def test_a_window_of_one_value_or_none_is_scaled_by_numbers(scaling: str) -> None:
    x, stats = np.zeros((2, 3)), np.array([[10.0, 2.0, 5.0]] * 2)
    place, scale = loc_and_scale(scaling, x, np.array([[True] * 3, [False] * 3]), stats)
    assert (scale >= 0.1 * 2).all() and np.isfinite(place).all()
    assert place[1] == 10  # no value: the mean of the training part
