"""The definition of a cell: one step forward, the same step backward, and the two affine maps with which all cells begin.

    a = x @ W.T + b_ih              (B, I) -> (B, G*H)
    u = h_prev @ U.T + b_hh         (B, H) -> (B, G*H)

A row of x is one example, so `x @ W.T` is the W x of the papers for every example. W is weight_ih (G*H, I), U is weight_hh
(G*H, H), b_ih is bias_ih (G*H,), b_hh is bias_hh (G*H,). They consist of G blocks of H rows, one per gate, in the order
that the file of the cell gives. Cells differ in how they use a and u.

Backward. In this package dv denotes the gradient of the loss with respect to v; it has the shape of v. Written out,

    a[n, j] = sum_i x[n, i] W[j, i] + b_ih[j],

so the loss depends on x[n, i] through every a[n, j], each time with the factor W[j, i]; on W[j, i] through the a[n, j] of
every example n, each time with the factor x[n, i]; and on b_ih[j] with the factor 1. The chain rule adds these terms:

    dx = da @ W                     (B, G*H) (G*H, I) -> (B, I)
    dW = da.T @ x                   (G*H, B) (B, I)   -> (G*H, I)
    db_ih = da summed over n        (B, G*H)          -> (G*H,)

and in the same way dh_prev = du @ U (B, H), dU = du.T @ h_prev (G*H, H), db_hh = du summed over n (G*H,).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Params = dict[str, Array]
State = tuple[Array, ...]  # (B, H) each; the first component is the output of the cell

PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class Cell(ABC):
    """Abstract base class of a recurrence.

    Attributes:
        gates: number of blocks that are stacked in the parameters, G.
        states: names of the components of the state. The first one is the output.

    Example:
        >>> import numpy as np
        >>> from recurra.bptt import LSTM
        >>> cell, rng = LSTM(), np.random.default_rng(0)
        >>> p = cell.parameters(3, 5, rng)
        >>> (h, c), cache = cell.step(rng.normal(size=(2, 3)), cell.zero_state(2, p), p)
        >>> h.shape, c.shape
        ((2, 5), (2, 5))
    """

    gates: ClassVar[int]
    states: ClassVar[tuple[str, ...]] = ("h",)

    @abstractmethod
    def step(self, x: Array, state: State, p: Params) -> tuple[State, Any]:
        """Compute one time step.

        Args:
            x: (B, I), the input.
            state: the state before the step, (B, H) per component.
            p: the parameters.

        Returns:
            The state after the step, and the cache: the values of this step that `step_backward` needs.
        """

    @abstractmethod
    def step_backward(self, dstate: State, cache: Any, p: Params, dp: Params) -> tuple[Array, State]:
        """Compute the gradients of one time step.

        Args:
            dstate: the gradient with respect to the state after the step, (B, H) per component.
            cache: what `step` returned.
            p: the parameters.
            dp: the gradients with respect to the parameters; those of this step are added in place. All steps use the
                same parameters, so their gradient is the sum over the steps.

        Returns:
            The gradients with respect to x (B, I) and to the state before the step.
        """

    def shapes(self, input_size: int, hidden_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the parameters by name."""
        rows = self.gates * hidden_size
        return dict(zip(PARAMETERS, [(rows, input_size), (rows, hidden_size), (rows,), (rows,)], strict=True))

    def parameters(
        self, input_size: int, hidden_size: int, rng: np.random.Generator, dtype: type[np.floating[Any]] = np.float64
    ) -> Params:
        """Return new parameters from U(-1/sqrt(H), 1/sqrt(H)), the usual initialization of recurrent layers."""
        bound = 1 / np.sqrt(hidden_size)
        shapes = self.shapes(input_size, hidden_size)
        return {name: rng.uniform(-bound, bound, shape).astype(dtype) for name, shape in shapes.items()}

    def zero_state(self, batch_size: int, p: Params) -> State:
        """Return the initial state of `batch_size` sequences: zeros (B, H)."""
        U = p["weight_hh"]
        return tuple(np.zeros((batch_size, U.shape[1]), U.dtype) for _ in self.states)


def affine(x: Array, h_prev: Array, p: Params) -> tuple[Array, Array]:
    """Return a and u, (B, G*H) each, for x (B, I) and h_prev (B, H)."""
    a = x @ p["weight_ih"].T + p["bias_ih"]
    u = h_prev @ p["weight_hh"].T + p["bias_hh"]
    return a, u


def affine_backward(da: Array, du: Array, x: Array, h_prev: Array, p: Params, dp: Params) -> tuple[Array, Array]:
    """Return dx (B, I) and dh_prev (B, H) for da and du (B, G*H). Adds the gradients of the parameters to dp."""
    dp["weight_ih"] += da.T @ x
    dp["weight_hh"] += du.T @ h_prev
    dp["bias_ih"] += da.sum(axis=0)
    dp["bias_hh"] += du.sum(axis=0)
    return da @ p["weight_ih"], du @ p["weight_hh"]


def sigmoid(v: Array) -> Array:
    """Return 1 / (1 + exp(-v)), computed with tanh, which cannot overflow. Its derivative at the value s is s * (1 - s)."""
    s: Array = 0.5 * (1 + np.tanh(0.5 * v))
    return s
