"""The readout, from the hidden state to a loss: a linear map and cross-entropy or squared error, each with its gradient.

    z = h @ V.T + b                 (..., H) -> (..., O)

V is weight (O, H), b is bias (O,), named as in torch.nn.Linear. `...` is (B, T) for many-to-many and (B,) for many-to-one
models; N is the number of predictions in it, B*T or B. Backward, as in cell.py, with h and dz seen as (N, H) and (N, O):

    dh = dz @ V                     (..., H)
    dV = dz.T @ h                   (O, H)
    db = dz summed over N           (O,)

Cross-entropy, with the target class k of each of N predictions: the mean of -log p_k in nats, where p = softmax(z),

    p_j = exp(z_j) / sum_i exp(z_i)
    -log p_k = log(sum_i exp(z_i)) - z_k

The derivative of log(sum_i exp(z_i)) with respect to z_j is exp(z_j) / sum_i exp(z_i) = p_j, and that of z_k is 1 for
j = k and 0 otherwise. So

    dz = (p - onehot(k)) / N

Squared error, with targets (..., O): the mean of (z - target)^2 over all N*O numbers.

    dz = 2 * (z - target) / (N * O)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cell import Array, Params


def linear_parameters(
    hidden_size: int, outputs: int, rng: np.random.Generator, dtype: type[np.floating[Any]] = np.float64
) -> Params:
    """Return new parameters of the linear map from U(-1/sqrt(H), 1/sqrt(H)): weight (O, H) and bias (O,)."""
    bound = 1 / np.sqrt(hidden_size)
    shapes = {"weight": (outputs, hidden_size), "bias": (outputs,)}
    return {name: rng.uniform(-bound, bound, shape).astype(dtype) for name, shape in shapes.items()}


def linear(h: Array, p: Params) -> Array:
    """Return z (..., O) for h (..., H)."""
    z: Array = h @ p["weight"].T + p["bias"]
    return z


def linear_backward(dz: Array, h: Array, p: Params) -> tuple[Array, Params]:
    """Return dh (..., H) and the gradients of the parameters for dz (..., O)."""
    flat_dz, flat_h = dz.reshape(-1, dz.shape[-1]), h.reshape(-1, h.shape[-1])
    return dz @ p["weight"], {"weight": flat_dz.T @ flat_h, "bias": flat_dz.sum(axis=0)}


def softmax(z: Array) -> Array:
    """Return the probabilities (..., O) of z (..., O). Subtracting the largest z first avoids overflow."""
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    probabilities: Array = e / e.sum(axis=-1, keepdims=True)
    return probabilities


def cross_entropy(z: Array, target: NDArray[np.integer[Any]]) -> tuple[float, Array]:
    """Return the mean cross-entropy in nats of z (..., O) for the target classes (...), and dz.

    Raises ValueError if the shapes do not match or a class is not in 0..O-1.
    """
    O = z.shape[-1]
    if target.shape != z.shape[:-1] or not target.size:
        raise ValueError(
            f"target is {target.shape} and z {z.shape}; expected one class for each prediction in z, at least one"
        )
    if target.min() < 0 or target.max() >= O:
        raise ValueError(f"target has classes {target.min()} to {target.max()}; expected 0 to {O - 1}")
    flat, index = z.reshape(-1, O), np.arange(target.size)
    shifted = flat - flat.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=1))
    loss = float(np.mean(log_sum - shifted[index, target.ravel()]))
    dz = softmax(flat)
    dz[index, target.ravel()] -= 1
    return loss, (dz / target.size).reshape(z.shape)


def squared_error(z: Array, target: Array) -> tuple[float, Array]:
    """Return the mean squared error of z (..., O) and target (..., O), and dz. Raises ValueError if the shapes differ."""
    if target.shape != z.shape or not target.size:
        raise ValueError(f"target is {target.shape} and z {z.shape}; expected equal shapes, not empty")
    error = z - target
    return float(np.mean(error * error)), 2 * error / error.size
