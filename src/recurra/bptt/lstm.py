"""Long short-term memory. Hochreiter and Schmidhuber 1997, Neural Computation 9(8); forget gate:
Gers, Schmidhuber and Cummins 2000, Neural Computation 12(10).

Forward, with the four blocks of a + u (B, 4H) of cell.py, in the order i, f, g, o:

    i = sigmoid(a_i + u_i)          (B, H)    input gate
    f = sigmoid(a_f + u_f)          (B, H)    forget gate: 1 keeps the cell state
    g = tanh(a_g + u_g)             (B, H)    candidate
    o = sigmoid(a_o + u_o)          (B, H)    output gate
    c = f * c_prev + i * g          (B, H)    cell state
    m = tanh(c)                     (B, H)
    h = o * m                       (B, H)

Backward. dh and dc (B, H) are the gradients with respect to the state after the step. The loss depends on c in two ways,
through the next step (dc) and through h:

    do = dh * m
    dc = dc + dh * o * (1 - m^2)
    df = dc * c_prev
    di = dc * g
    dg = dc * i
    dc_prev = dc * f

and before the gates (sigmoid' = s (1 - s), tanh' = 1 - g^2), in the order in which they are stacked:

    da = [di * i * (1 - i),  df * f * (1 - f),  dg * (1 - g^2),  do * o * (1 - o)]      (B, 4H)
    du = da                                   only the sum a + u is used

cell.py computes dx, dh_prev and the gradients of the parameters from these. Along the cell state a step multiplies the
gradient by f and by no matrix: where f is near 1 it neither vanishes nor explodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from .cell import Array, Cell, Params, State, affine, affine_backward, sigmoid


class LSTMCache(NamedTuple):
    """Values of one step that its backward pass needs."""

    x: Array  # (B, I)
    h_prev: Array  # (B, H), as are all below
    c_prev: Array
    i: Array
    f: Array
    g: Array
    o: Array
    m: Array


@dataclass(frozen=True)
class LSTM(Cell):
    """Long short-term memory cell; its state is (h, c)."""

    gates: ClassVar[int] = 4
    states: ClassVar[tuple[str, ...]] = ("h", "c")

    def step(self, x: Array, state: State, p: Params) -> tuple[State, LSTMCache]:
        h_prev, c_prev = state
        a, u = affine(x, h_prev, p)
        s_i, s_f, s_g, s_o = np.split(a + u, 4, axis=1)
        i, f, g, o = sigmoid(s_i), sigmoid(s_f), np.tanh(s_g), sigmoid(s_o)
        c = f * c_prev + i * g
        m = np.tanh(c)
        return (o * m, c), LSTMCache(x, h_prev, c_prev, i, f, g, o, m)

    def step_backward(self, dstate: State, cache: LSTMCache, p: Params, dp: Params) -> tuple[Array, State]:
        (dh, dc), (x, h_prev, c_prev, i, f, g, o, m) = dstate, cache
        do = dh * m
        dc = dc + dh * o * (1 - m * m)
        df, di, dg, dc_prev = dc * c_prev, dc * g, dc * i, dc * f
        da = np.concatenate([di * i * (1 - i), df * f * (1 - f), dg * (1 - g * g), do * o * (1 - o)], axis=1)
        dx, dh_prev = affine_backward(da, da, x, h_prev, p, dp)
        return dx, (dh_prev, dc_prev)
