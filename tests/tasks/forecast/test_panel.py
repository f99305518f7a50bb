"""Windows and baselines that are cut from a panel, by hand."""

from __future__ import annotations

import numpy as np
from tiny_panels import NAN, panel


def test_windows_by_hand() -> None:
    data = panel([1, NAN, 3, 4, 5, 6], [NAN, 20, 30, 40, 50])
    origins = data.origins(data.starts[:-1] + 2, data.starts[1:] - 2, 2)
    assert origins.tolist() == [2, 3, 4, 8, 9]
    found = data.windows(origins[[0, 3]], 2, 2, "last")
    assert found.series.tolist() == [0, 1]
    np.testing.assert_array_equal(found.y, [[3, 4], [30, 40]])
    np.testing.assert_array_equal(found.observed, [[True, False], [False, True]])
    np.testing.assert_array_equal(found.loc, [1, 20])  # 1 is carried on; before 20 stands 20
    np.testing.assert_array_equal(found.x, [[0, 0], [0, 0]])
    np.testing.assert_array_equal(found.scaled_y(), [[1, 1.5], [5, 10]])


def test_naive_forecasts_by_hand() -> None:
    data = panel([1, 2, 3, 4, 5, 6, 7, 8], seasonality=3)
    found = data.windows(np.array([5]), 2, 3, "last")
    np.testing.assert_array_equal(data.naive(found), [[5, 5, 5]])
    np.testing.assert_array_equal(data.seasonal_naive(found), [[3, 4, 5]])
    longer = data.windows(np.array([4]), 2, 4, "last")
    np.testing.assert_array_equal(data.seasonal_naive(longer), [[2, 3, 4, 2]])  # a season ago, or two


def test_origins_of_a_backtest_end_with_the_series() -> None:
    data = panel(list(range(20)), list(range(9)))
    first, last = data.starts[:-1] + 4, data.starts[1:] - 3
    assert data.origins(first, last, 3, 5).tolist() == [7, 12, 17, 26]
    assert data.origins(first, last, 3, 5, 2).tolist() == [12, 17, 26]
    gap = panel([1, 2, 3, NAN, NAN, NAN, 7, 8])
    assert gap.origins(np.array([2]), np.array([6]), 2).tolist() == [2, 5, 6]  # 3 and 4 have nothing to compare with


def test_scaled_and_unscaled_are_inverse() -> None:
    found = panel([1, NAN, 3, 4, 5, 6]).windows(np.array([2, 4]), 2, 2, "window")
    both = np.stack([found.scaled_y(), -found.scaled_y()], -1)
    values = found.unscale(both)
    np.testing.assert_allclose(values[..., 0], found.y)
    np.testing.assert_allclose(values[..., 1], 2 * found.loc[:, None] - found.y)


def test_units_of_errors() -> None:
    """The deviation of the training part, and the mean absolute difference of values a season apart."""
    units = panel([1, 2, 4, NAN, 9], [3, 3], seasonality=2).error_scales()
    np.testing.assert_allclose(units, [[2, (3 + 5) / 2], [2, NAN]])
