"""Windows and baselines of a panel, compared with values computed by hand."""

from __future__ import annotations

import numpy as np
from tiny_panels import NAN, panel


def test_windows() -> None:
    data = panel([1, NAN, 3, 4, 5, 6], [NAN, 20, 30, 40, 50])
    origins = data.origins(data.starts[:-1] + 2, data.starts[1:] - 2, 2)
    assert origins.tolist() == [2, 3, 4, 8, 9]
    windows = data.windows(origins[[0, 3]], 2, 2, "last_value")
    assert windows.series.tolist() == [0, 1]
    np.testing.assert_array_equal(windows.y, [[3, 4], [30, 40]])
    np.testing.assert_array_equal(windows.observed, [[True, False], [False, True]])
    np.testing.assert_array_equal(
        windows.loc, [1, 20]
    )  # 1 is filled forward, and 20 is filled backward at the beginning.
    np.testing.assert_array_equal(windows.x, [[0, 0], [0, 0]])
    np.testing.assert_array_equal(windows.scaled_y(), [[1, 1.5], [5, 10]])


def test_naive_forecasts() -> None:
    data = panel([1, 2, 3, 4, 5, 6, 7, 8], seasonality=3)
    windows = data.windows(np.array([5]), 2, 3, "last_value")
    np.testing.assert_array_equal(data.naive(windows), [[5, 5, 5]])
    np.testing.assert_array_equal(data.seasonal_naive(windows), [[3, 4, 5]])
    longer = data.windows(np.array([4]), 2, 4, "last_value")
    np.testing.assert_array_equal(data.seasonal_naive(longer), [[2, 3, 4, 2]])  # one period ago, or two


def test_origins_are_counted_from_the_end_of_each_series() -> None:
    data = panel(list(range(20)), list(range(9)))
    first, last = data.starts[:-1] + 4, data.starts[1:] - 3
    assert data.origins(first, last, 3, 5).tolist() == [7, 12, 17, 26]
    assert data.origins(first, last, 3, 5, 2).tolist() == [12, 17, 26]
    gap = panel([1, 2, 3, NAN, NAN, NAN, 7, 8])
    assert gap.origins(np.array([2]), np.array([6]), 2).tolist() == [2, 5, 6]  # The targets at 3 and 4 are missing.


def test_unscale_is_the_inverse_of_scaled_y() -> None:
    windows = panel([1, NAN, 3, 4, 5, 6]).windows(np.array([2, 4]), 2, 2, "per_window")
    both = np.stack([windows.scaled_y(), -windows.scaled_y()], -1)
    values = windows.unscale(both)
    np.testing.assert_allclose(values[..., 0], windows.y)
    np.testing.assert_allclose(values[..., 1], 2 * windows.loc[:, None] - windows.y)


def test_error_scales() -> None:
    """The scales are the standard deviation of the training part and the mean seasonal difference."""
    scales = panel([1, 2, 4, NAN, 9], [3, 3], seasonality=2).error_scales()
    np.testing.assert_allclose(scales, [[2, (3 + 5) / 2], [2, NAN]])
