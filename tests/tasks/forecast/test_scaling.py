"""The scalings of a window."""

from __future__ import annotations

import numpy as np
import pytest

from recurra.tasks.forecast.scaling import SCALINGS, loc_and_scale


def test_loc_and_scale() -> None:
    x, stats = np.array([[1.0, 3.0, 8.0]]), np.array([[10.0, 2.0, 5.0]])
    observed = np.array([[True, True, False]])  # 8 is a filled value.
    scalings = ("global", "last_value", "per_window", "mean_abs")
    assert [[float(v[0]) for v in loc_and_scale(scaling, x, observed, stats)] for scaling in scalings] == [
        [10, 2], [8, 2], [2, 1], [2, 2]
    ]  # fmt: skip


@pytest.mark.parametrize("scaling", SCALINGS)
def test_the_scale_of_a_constant_or_empty_window_is_positive(scaling: str) -> None:
    x, stats = np.zeros((2, 3)), np.array([[10.0, 2.0, 5.0]] * 2)
    loc, scale = loc_and_scale(scaling, x, np.array([[True] * 3, [False] * 3]), stats)
    assert (scale >= 0.1 * 2).all() and np.isfinite(loc).all()
    assert loc[1] == 10  # An empty window has the mean of the training part.
