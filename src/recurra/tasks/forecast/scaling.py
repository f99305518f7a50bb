"""How the values of a window are scaled before a network sees them.

global       minus the mean, divided by the standard deviation, both of the training part of the series
last_value   minus the last value of the window, divided by the standard deviation of the training part
per_window   minus the mean, divided by the standard deviation, both of the window
mean_abs     minus the mean, divided by the mean absolute value, both of the window: for series that grow by percentages
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .windows import Floats

SCALINGS = ("last_value", "per_window", "mean_abs", "global")
FLOOR = 0.1  # a window's own deviation or mean absolute value counts as at least this fraction of the training part's


def place_and_scale(scaling: str, x: Floats, observed: NDArray[np.bool_], stats: Floats) -> tuple[Floats, Floats]:
    """What to subtract (B,) and what to divide by (B,).

    x (B, T) with missing values filled, observed (B, T), stats (B, 3) mean, standard deviation and mean absolute value of
    the training part.
    """
    mean, deviation, size = stats.T
    if scaling == "global":
        return mean, deviation
    if scaling == "last_value":
        return np.where(observed.any(1), x[:, -1], mean), deviation
    count = observed.sum(1)
    some = np.maximum(count, 1)
    own = np.where(count > 0, np.where(observed, x, 0.0).sum(1) / some, mean)
    if scaling == "per_window":
        apart = np.where(observed, x - own[:, None], 0.0)
        return own, np.maximum(np.sqrt((apart**2).sum(1) / some), FLOOR * deviation)
    return own, np.maximum(np.where(observed, np.abs(x), 0.0).sum(1) / some, FLOOR * size)
