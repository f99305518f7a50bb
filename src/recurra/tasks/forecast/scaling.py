"""Scaling of the values of a window before the network reads them.

global       (x - mean) / standard deviation, both of the training part of the series
last_value   (x - last value of the window) / standard deviation of the training part
per_window   (x - mean) / standard deviation, both of the window
mean_abs     (x - mean) / mean absolute value, both of the window; for series with exponential growth
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .windows import Floats

SCALINGS = ("last_value", "per_window", "mean_abs", "global")
MIN_SCALE = 0.1  # minimum scale of a window, as a fraction of the same statistic of the training part


def loc_and_scale(scaling: str, x: Floats, observed: NDArray[np.bool_], stats: Floats) -> tuple[Floats, Floats]:
    """Return the location (B,), which is subtracted, and the scale (B,), which is divided by.

    scaling    one of SCALINGS
    x          (B, T) values of the windows, missing ones filled
    observed   (B, T) whether a value was observed
    stats      (B, 3) mean, standard deviation and mean absolute value of the training part of the series
    """
    mean, deviation, mean_abs = stats.T
    if scaling == "global":
        return mean, deviation
    if scaling == "last_value":
        return np.where(observed.any(1), x[:, -1], mean), deviation
    num_observed = observed.sum(1)
    divisor = np.maximum(num_observed, 1)
    window_mean = np.where(num_observed > 0, np.where(observed, x, 0.0).sum(1) / divisor, mean)
    if scaling == "per_window":
        centered = np.where(observed, x - window_mean[:, None], 0.0)
        return window_mean, np.maximum(np.sqrt((centered**2).sum(1) / divisor), MIN_SCALE * deviation)
    window_mean_abs = np.where(observed, np.abs(x), 0.0).sum(1) / divisor
    return window_mean, np.maximum(window_mean_abs, MIN_SCALE * mean_abs)
