"""Ridge regression from a scaled context window to the scaled horizon, in closed form.

Its error on the validation part selects the context length and the scaling in seconds. Its weights initialize the linear skip
connection of the network.
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
    """The fitted map y = weight x + bias.

    weight   (H, T)
    bias     (H,)
    error    mean absolute error on the validation part, in standard deviations of the training part
    """

    weight: Floats
    bias: Floats
    error: float


@final
@dataclass(frozen=True)
class RidgeData:
    """N examples of a regression: inputs x (N, T), targets y (N, H), and whether a target was observed (N, H)."""

    x: Floats
    y: Floats
    observed: NDArray[np.bool_]


def fit_ridge(train: RidgeData, valid: RidgeData, error_scale: Floats) -> RidgeFit:
    """Fit a ridge regression on `train` with the one of PENALTIES that has the lowest error on `valid`.

    Examples with a missing target are left out if enough others remain; otherwise their filled targets are used. The errors of
    the M validation examples are multiplied by `error_scale` (M,).
    """
    x, y = train.x, train.y
    complete = train.observed.all(1)
    if complete.sum() >= min(len(x), max(2 * x.shape[1], len(x) // 4)):
        x, y = x[complete], y[complete]
    x_mean, y_mean = x.mean(0), y.mean(0)
    a, b = x - x_mean, y - y_mean
    eigenvalues, eigenvectors = np.linalg.eigh(a.T @ a / len(x))
    projected = eigenvectors.T @ (a.T @ b / len(x))

    def fit(penalty: float) -> RidgeFit:
        denominator = np.maximum(eigenvalues, 0) + penalty * eigenvalues.mean() + 1e-12
        weight = (eigenvectors @ (projected / denominator[:, None])).T
        bias = y_mean - weight @ x_mean
        error = np.abs(valid.x @ weight.T + bias - valid.y) * error_scale[:, None]
        return RidgeFit(weight, bias, float(error[valid.observed].mean()) if valid.observed.any() else float("inf"))

    return min(map(fit, PENALTIES), key=lambda one: one.error)
