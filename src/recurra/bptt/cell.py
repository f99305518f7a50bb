"""What a cell is here: one step forward, the same step backward, and the two affine maps that all cells begin with.

    a = x @ W.T + b_ih              (B, I) -> (B, G*H)
    u = h_prev @ U.T + b_hh         (B, H) -> (B, G*H)

A row is an example, so `x @ W.T` is the W x of the papers for every row. W is weight_ih (G*H, I), U weight_hh (G*H, H),
b_ih bias_ih (G*H,), b_hh bias_hh (G*H,): G blocks of H rows, one for each gate, in the order that the cell's file gives.
What becomes of a and u is what tells one cell from another.

Backward. In this folder dv is the gradient of the loss by v, and has the shape of v. Written out,

    a[n, j] = sum_i x[n, i] W[j, i] + b_ih[j],

so x[n, i] reaches the loss through every a[n, j], each time with the factor W[j, i]; W[j, i] reaches it through the a[n, j]
of every row n, each time with the factor x[n, i]; and b_ih[j] with the factor 1. The chain rule adds these up:

    dx = da @ W                     (B, G*H) (G*H, I) -> (B, I)
    dW = da.T @ x                   (G*H, B) (B, I)   -> (G*H, I)
    db_ih = da summed over rows     (B, G*H)          -> (G*H,)

and in the same way dh_prev = du @ U (B, H), dU = du.T @ h_prev (G*H, H), db_hh = du summed over rows (G*H,).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Params = dict[str, Array]
State = tuple[Array, ...]  # (B, H) each; the first part is the output of the cell

PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class Cell(ABC):
    """One recurrence: `gates` blocks stacked in the parameters, and a state of the parts named in `states`."""

    gates: ClassVar[int]
    states: ClassVar[tuple[str, ...]] = ("h",)

    @abstractmethod
    def step(self, x: Array, state: State, p: Params) -> tuple[State, Any]:
        """x (B, I) and the state before -> the state after, and what `step_backward` needs to keep of this step."""

    @abstractmethod
    def step_backward(self, dstate: State, kept: Any, p: Params, dp: Params) -> tuple[Array, State]:
        """The gradient by the state after -> the gradients by x (B, I) and by the state before.

        This step's share of the gradients by the parameters is added to `dp`: every step uses the same parameters, so
        their gradient is the sum over the steps.
        """

    def shapes(self, input_size: int, hidden_size: int) -> dict[str, tuple[int, ...]]:
        """The shapes of the parameters, by name."""
        rows = self.gates * hidden_size
        return dict(zip(PARAMETERS, [(rows, input_size), (rows, hidden_size), (rows,), (rows,)], strict=True))

    def parameters(
        self, input_size: int, hidden_size: int, rng: np.random.Generator, dtype: type[np.floating[Any]] = np.float64
    ) -> Params:
        """Fresh parameters, U(-1/sqrt(H), 1/sqrt(H)), the usual initialisation of recurrent layers."""
        bound = 1 / np.sqrt(hidden_size)
        shapes = self.shapes(input_size, hidden_size)
        return {name: rng.uniform(-bound, bound, shape).astype(dtype) for name, shape in shapes.items()}

    def zero_state(self, rows: int, p: Params) -> State:
        """The state of `rows` rows that have seen nothing: zeros (B, H)."""
        U = p["weight_hh"]
        return tuple(np.zeros((rows, U.shape[1]), U.dtype) for _ in self.states)


def affine(x: Array, h_prev: Array, p: Params) -> tuple[Array, Array]:
    """x (B, I), h_prev (B, H) -> a and u, (B, G*H) each."""
    a = x @ p["weight_ih"].T + p["bias_ih"]
    u = h_prev @ p["weight_hh"].T + p["bias_hh"]
    return a, u


def affine_backward(da: Array, du: Array, x: Array, h_prev: Array, p: Params, dp: Params) -> tuple[Array, Array]:
    """da and du (B, G*H) -> dx (B, I) and dh_prev (B, H); adds to dp."""
    dp["weight_ih"] += da.T @ x
    dp["weight_hh"] += du.T @ h_prev
    dp["bias_ih"] += da.sum(axis=0)
    dp["bias_hh"] += du.sum(axis=0)
    return da @ p["weight_ih"], du @ p["weight_hh"]


def sigmoid(v: Array) -> Array:
    """1 / (1 + exp(-v)), by way of tanh, which cannot overflow. Its derivative, by its value s, is s * (1 - s)."""
    s: Array = 0.5 * (1 + np.tanh(0.5 * v))
    return s
