"""From the hidden state to a loss: a linear map, and cross entropy of its softmax or squared error; each with its gradient.

    z = h @ V.T + b                 (..., H) -> (..., O)

V is weight (O, H), b bias (O,), named as in torch.nn.Linear. `...` is (B, T) for many to many, (B,) for many to one, N is
the number of rows in it, B*T or B. Backward, as in cell.py, with h and dz seen as (N, H) and (N, O):

    dh = dz @ V                     (..., H)
    dV = dz.T @ h                   (O, H)
    db = dz summed over N           (O,)

Cross entropy, with target class k in each of N rows: the mean of -log softmax(z)[k] = log(sum_j exp z_j) - z_k, in nats.
The derivative of the logarithm by z_j is softmax(z)_j, so

    dz = (softmax(z) - onehot(k)) / N

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
    """Fresh parameters, U(-1/sqrt(H), 1/sqrt(H))."""
    bound = 1 / np.sqrt(hidden_size)
    shapes = {"weight": (outputs, hidden_size), "bias": (outputs,)}
    return {name: rng.uniform(-bound, bound, shape).astype(dtype) for name, shape in shapes.items()}


def linear(h: Array, p: Params) -> Array:
    """h (..., H) -> z (..., O)."""
    z: Array = h @ p["weight"].T + p["bias"]
    return z


def linear_backward(dz: Array, h: Array, p: Params) -> tuple[Array, Params]:
    """dz (..., O) -> dh (..., H), and the gradients by the parameters."""
    flat_dz, flat_h = dz.reshape(-1, dz.shape[-1]), h.reshape(-1, h.shape[-1])
    return dz @ p["weight"], {"weight": flat_dz.T @ flat_h, "bias": flat_dz.sum(axis=0)}


def softmax(z: Array) -> Array:
    """z (..., O) -> probabilities (..., O). The largest z is taken away first, which changes nothing but the overflow."""
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    probabilities: Array = e / e.sum(axis=-1, keepdims=True)
    return probabilities


def cross_entropy(z: Array, target: NDArray[np.integer[Any]]) -> tuple[float, Array]:
    """z (..., O) and classes (...) -> the mean loss in nats, and dz. ValueError for other shapes or a class not in 0..O-1."""
    O = z.shape[-1]
    if target.shape != z.shape[:-1] or not target.size:
        raise ValueError(f"target is {target.shape} and z {z.shape}; wanted a class for every row of z, at least one")
    if target.min() < 0 or target.max() >= O:
        raise ValueError(f"target has classes {target.min()} to {target.max()}; wanted 0 to {O - 1}")
    flat, rows = z.reshape(-1, O), np.arange(target.size)
    shifted = flat - flat.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=1))
    loss = float(np.mean(log_sum - shifted[rows, target.ravel()]))
    dz = softmax(flat)
    dz[rows, target.ravel()] -= 1
    return loss, (dz / target.size).reshape(z.shape)


def squared_error(z: Array, target: Array) -> tuple[float, Array]:
    """z and target (..., O) -> the mean loss, and dz. ValueError where the shapes differ: nothing is broadcast."""
    if target.shape != z.shape or not target.size:
        raise ValueError(f"target is {target.shape} and z {z.shape}; wanted equal shapes, not empty")
    error = z - target
    return float(np.mean(error * error)), 2 * error / error.size
