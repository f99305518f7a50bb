"""Ridge regression from a scaled window to the scaled horizon, solved in closed form.

Windows and scalings are compared by its error on the validation part, in seconds; and its weights are the first ones of the
network's linear shortcut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from .windows import Floats

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # times the mean variance of the inputs


@final
@dataclass(frozen=True)
class RidgeFit:
    """y = weight x + bias, and its mean absolute error on the validation part, in deviations of the training part."""

    weight: Floats  # (H, T)
    bias: Floats  # (H,)
    error: float


@final
@dataclass(frozen=True)
class RidgeData:
    """Rows of a regression: inputs x (N, T), targets y (N, H), and which of the targets were observed (N, H)."""

    x: Floats
    y: Floats
    observed: NDArray[np.bool_]


def fit_ridge(train: RidgeData, valid: RidgeData, unit: Floats) -> RidgeFit:
    """Fit on `train`, with the one of `PENALTIES` that has the least error on `valid`, whose rows have the unit (M,).

    Targets that were not observed are left out together with their rows where enough rows remain; else they count as filled.
    """
    x, y = train.x, train.y
    whole = train.observed.all(1)
    if whole.sum() >= min(len(x), max(2 * x.shape[1], len(x) // 4)):
        x, y = x[whole], y[whole]
    x_mean, y_mean = x.mean(0), y.mean(0)
    a, b = x - x_mean, y - y_mean
    values, vectors = np.linalg.eigh(a.T @ a / len(x))
    rotated = vectors.T @ (a.T @ b / len(x))

    def fit(penalty: float) -> RidgeFit:
        weight = (vectors @ (rotated / (np.maximum(values, 0) + penalty * values.mean() + 1e-12)[:, None])).T
        bias = y_mean - weight @ x_mean
        error = np.abs(valid.x @ weight.T + bias - valid.y) * unit[:, None]
        return RidgeFit(weight, bias, float(error[valid.observed].mean()) if valid.observed.any() else float("inf"))

    return min(map(fit, PENALTIES), key=lambda found: found.error)
