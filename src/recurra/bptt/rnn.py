"""The simple (vanilla) recurrent network. Elman 1990, Finding structure in time, Cognitive Science 14(2).

Forward, with a and u (B, H) of cell.py (G = 1):

    n = tanh(a + u)                 (B, H)    or relu
    h = n

Backward. dh (B, H) is the gradient of the loss of this step plus the gradient from the next step. With
tanh' = 1 - tanh^2, and relu' = 1 where the result is above 0 and 0 elsewhere,

    da = dh * (1 - n^2)             (B, H)    relu: dh * [n > 0]
    du = da                                   only the sum a + u is used

cell.py computes dx, dh_prev and the gradients of the parameters from these. For one example, the step from h_prev to h has
the Jacobian

    dh / dh_prev = diag(1 - n^2) U            (H, H)

and the gradient with respect to a state k steps back contains the product of k such matrices: it vanishes or explodes with
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from .cell import Array, Cell, Params, State, affine, affine_backward


class RNNCache(NamedTuple):
    """Values of one step that its backward pass needs."""

    x: Array  # (B, I)
    h_prev: Array  # (B, H)
    n: Array  # (B, H)


@dataclass(frozen=True)
class RNN(Cell):
    """Simple recurrent cell with `nonlinearity` "tanh" (default) or "relu". Raises ValueError for any other value."""

    gates: ClassVar[int] = 1

    nonlinearity: str = "tanh"

    def __post_init__(self) -> None:
        if self.nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"nonlinearity is {self.nonlinearity!r}; expected 'tanh' or 'relu'")

    def step(self, x: Array, state: State, p: Params) -> tuple[State, RNNCache]:
        (h_prev,) = state
        a, u = affine(x, h_prev, p)
        n = np.tanh(a + u) if self.nonlinearity == "tanh" else np.maximum(a + u, 0)
        return (n,), RNNCache(x, h_prev, n)

    def step_backward(self, dstate: State, cache: RNNCache, p: Params, dp: Params) -> tuple[Array, State]:
        (dh,), (x, h_prev, n) = dstate, cache
        da = dh * (1 - n * n) if self.nonlinearity == "tanh" else dh * (n > 0)
        dx, dh_prev = affine_backward(da, da, x, h_prev, p, dp)
        return dx, (dh_prev,)
