"""How the values of a window are scaled before a network sees them.

training   minus the mean, over the standard deviation, both of the series' training part
last       minus the window's last value, over the standard deviation of the training part
window     minus the mean, over the standard deviation, both of the window
level      minus the mean, over the mean absolute value, both of the window: for series that grow by percentages
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .windows import Floats

SCALINGS = ("last", "window", "tokenization", "training")
FLOOR = 0.1  # a window's own deviation or mean absolute value counts as at least this fraction of the training part's


def place_and_scale(scaling: str, x: Floats, observed: NDArray[np.bool_], stats: Floats) -> tuple[Floats, Floats]:
    """What to subtract (B,) and what to divide by (B,).

    x (B, T) with missing values filled, observed (B, T), stats (B, 3) mean, standard deviation and mean absolute value of
    the training part.
    """
    mean, deviation, size = stats.T
    if scaling == "training":
        return mean, deviation
    if scaling == "last":
        return np.where(observed.any(1), x[:, -1], mean), deviation
    count = observed.sum(1)
    some = np.maximum(count, 1)
    own = np.where(count > 0, np.where(observed, x, 0.0).sum(1) / some, mean)
    if scaling == "window":
        apart = np.where(observed, x - own[:, None], 0.0)
        return own, np.maximum(np.sqrt((apart**2).sum(1) / some), FLOOR * deviation)
    return own, np.maximum(np.where(observed, np.abs(x), 0.0).sum(1) / some, FLOOR * size)
