"""Gated recurrent unit. Cho et al. 2014, arXiv:1406.1078v1, with the reset after the matrix product, as in cuDNN and torch.

Forward, with the three blocks of a and of u (B, 3H) of cell.py, in the order r, z, n:

    r = sigmoid(a_r + u_r)          (B, H)    reset gate: 0 hides the past from the candidate
    z = sigmoid(a_z + u_z)          (B, H)    update gate: 1 KEEPS the old state
    n = tanh(a_n + r * u_n)         (B, H)    candidate
    h = (1 - z) * n + z * h_prev    (B, H)

Backward. dh (B, H) is the gradient with respect to the state after the step. h depends on z, on n and directly on h_prev:

    dz = dh * (h_prev - n)
    dn = dh * (1 - z)
    da_n = dn * (1 - n^2)                     tanh' = 1 - n^2
    dr = da_n * u_n

and before the gates (sigmoid' = s (1 - s)), in the order in which they are stacked. da and du differ in the last block,
because the reset gate multiplies u_n only.

    da = [dr * r * (1 - r),  dz * z * (1 - z),  da_n]            (B, 3H)
    du = [dr * r * (1 - r),  dz * z * (1 - z),  da_n * r]        (B, 3H)

cell.py computes dx, the gradients of the parameters and the part of dh_prev that passes through u from these; the direct
path adds

    dh_prev = dh_prev + dh * z

which multiplies by z and by no matrix: where z is near 1 the gradient is passed on unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from .cell import Array, Cell, Params, State, affine, affine_backward, sigmoid


class GRUCache(NamedTuple):
    """Values of one step that its backward pass needs."""

    x: Array  # (B, I)
    h_prev: Array  # (B, H), as are all below
    r: Array
    z: Array
    n: Array
    u_n: Array


@dataclass(frozen=True)
class GRU(Cell):
    """Gated recurrent unit with the reset after the matrix product; its state is (h,)."""

    gates: ClassVar[int] = 3

    def step(self, x: Array, state: State, p: Params) -> tuple[State, GRUCache]:
        (h_prev,) = state
        a, u = affine(x, h_prev, p)
        (a_r, a_z, a_n), (u_r, u_z, u_n) = np.split(a, 3, axis=1), np.split(u, 3, axis=1)
        r, z = sigmoid(a_r + u_r), sigmoid(a_z + u_z)
        n = np.tanh(a_n + r * u_n)
        h = (1 - z) * n + z * h_prev
        return (h,), GRUCache(x, h_prev, r, z, n, u_n)

    def step_backward(self, dstate: State, cache: GRUCache, p: Params, dp: Params) -> tuple[Array, State]:
        (dh,), (x, h_prev, r, z, n, u_n) = dstate, cache
        dz, dn = dh * (h_prev - n), dh * (1 - z)
        da_n = dn * (1 - n * n)
        dr = da_n * u_n
        da_r, da_z = dr * r * (1 - r), dz * z * (1 - z)
        da = np.concatenate([da_r, da_z, da_n], axis=1)
        du = np.concatenate([da_r, da_z, da_n * r], axis=1)
        dx, dh_prev = affine_backward(da, du, x, h_prev, p, dp)
        return dx, (dh_prev + dh * z,)
