"""How the values of a window are scaled before a network sees them, and a ridge regression that says which way suits.

    training   minus the mean, over the deviation, both of the series' training part
    last       minus the window's last value, over the deviation of the training part
    window     minus the mean, over the deviation, both of the window
    level      minus the mean, over the mean size, both of the window: what grows by shares

A ridge regression from the scaled window to the scaled horizon is solved in one go, so that windows and scalings are compared
by the error on the part held back, in seconds. The solution of the winner is where the network's shortcut starts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SCALINGS = ("last", "window", "level", "training")
FLOOR = 0.1  # a window's own deviation or size counts as at least this share of the training part's
RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # times the mean variance of the inputs


def place_and_scale(scaling: str, x: Floats, there: NDArray[np.bool_], stats: Floats) -> tuple[Floats, Floats]:
    """x (B, T) with missing values filled, `there` (B, T), stats (B, 3) mean, deviation and mean size of the training part
    -> what to take away (B,) and what to divide by (B,)."""
    mean, deviation, size = stats.T
    if scaling == "training":
        return mean, deviation
    if scaling == "last":
        return np.where(there.any(1), x[:, -1], mean), deviation
    count = there.sum(1)
    some = np.maximum(count, 1)
    own = np.where(count > 0, np.where(there, x, 0.0).sum(1) / some, mean)
    if scaling == "window":
        apart = np.where(there, x - own[:, None], 0.0)
        return own, np.maximum(np.sqrt((apart**2).sum(1) / some), FLOOR * deviation)
    return own, np.maximum(np.where(there, np.abs(x), 0.0).sum(1) / some, FLOOR * size)


@dataclass(frozen=True)
class Ridge:
    """y = weight x + bias, and its mean absolute error on the part held back, in deviations of the training part."""

    weight: Floats  # (H, T)
    bias: Floats  # (H,)
    error: float


def ridge(
    x: Floats, y: Floats, there: NDArray[np.bool_], check: tuple[Floats, Floats, NDArray[np.bool_], Floats]
) -> Ridge:
    """Fit on x (N, T), y (N, H); `check` holds x, y, there (M, H) and what a unit of each row is worth (M,).

    The penalty is the one of RIDGES with the least error on `check`. Missing y count as zero weight where whole rows lack
    them, else as they were filled.
    """
    whole = there.all(1)
    if whole.sum() >= min(len(x), max(2 * x.shape[1], len(x) // 4)):
        x, y = x[whole], y[whole]
    x_mean, y_mean = x.mean(0), y.mean(0)
    a, b = x - x_mean, y - y_mean
    values, vectors = np.linalg.eigh(a.T @ a / len(x))
    turned = vectors.T @ (a.T @ b / len(x))
    x_check, y_check, seen, worth = check
    best: Ridge | None = None
    for penalty in RIDGES:
        weight = (vectors @ (turned / (np.maximum(values, 0) + penalty * values.mean() + 1e-12)[:, None])).T
        bias = y_mean - weight @ x_mean
        off = np.abs(x_check @ weight.T + bias - y_check) * worth[:, None]
        error = float(off[seen].mean()) if seen.any() else float("inf")
        if best is None or error < best.error:
            best = Ridge(weight, bias, error)
    assert best is not None
    return best
