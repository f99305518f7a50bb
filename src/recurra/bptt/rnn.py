"""The simple recurrent network. Elman 1990, Finding structure in time, Cognitive Science 14(2).

Forward, with a and u (B, H) of cell.py (G = 1):

    n = tanh(a + u)                 (B, H)    or relu
    h = n

Backward. dh (B, H) arrives: what the loss says of h, plus what the next step hands back. As tanh' = 1 - tanh^2, and
relu' = 1 where the result is above 0 and 0 elsewhere,

    da = dh * (1 - n^2)             (B, H)    relu: dh * [n > 0]
    du = da                                   both enter by their sum

and cell.py makes of these dx, dh_prev and the gradients of the parameters. In one row the step from h_prev to h has the
Jacobian

    dh / dh_prev = diag(1 - n^2) U            (H, H)

and the gradient by a state k steps back is multiplied by k of these: it shrinks or grows like a product of k matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from .cell import Array, Cell, Params, State, affine, affine_backward


class Kept(NamedTuple):
    """What one step keeps for its way back."""

    x: Array  # (B, I)
    h_prev: Array  # (B, H)
    n: Array  # (B, H)


@dataclass(frozen=True)
class RNN(Cell):
    """Simple recurrent cell; `nonlinearity` is "tanh" or "relu". ValueError for another."""

    gates: ClassVar[int] = 1

    nonlinearity: str = "tanh"

    def __post_init__(self) -> None:
        if self.nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"nonlinearity is {self.nonlinearity!r}; wanted 'tanh' or 'relu'")

    def step(self, x: Array, state: State, p: Params) -> tuple[State, Kept]:
        (h_prev,) = state
        a, u = affine(x, h_prev, p)
        n = np.tanh(a + u) if self.nonlinearity == "tanh" else np.maximum(a + u, 0)
        return (n,), Kept(x, h_prev, n)

    def step_backward(self, dstate: State, kept: Kept, p: Params, dp: Params) -> tuple[Array, State]:
        (dh,), (x, h_prev, n) = dstate, kept
        da = dh * (1 - n * n) if self.nonlinearity == "tanh" else dh * (n > 0)
        dx, dh_prev = affine_backward(da, da, x, h_prev, p, dp)
        return dx, (dh_prev,)
