"""A cell over T time steps, and backpropagation through time. Werbos 1990, Proceedings of the IEEE 78(10).

Forward: the state after one step is the state before the next.

    state[t] = step(x[:, t], state[t - 1])      t = 0 .. T-1; state[-1] is the initial state, zeros by default
    y[:, t]  = the first component of state[t], h    (B, H)

Backward: the loss depends on state[t] through the output y[:, t] and through state[t + 1]. The gradient is the sum of both,

    dstate[t] = dy[:, t]  +  the gradient that step_backward returns for step t + 1       (for the last step: dfinal)

so a single backward pass from the last step to the first one computes every gradient. The parameters are used at every
step, and each step adds to their gradient. Many-to-many: the loss gives dy for all steps. Many-to-one: it gives dfinal only.
Both can be given. The gradient after step 0 is that of the initial state; it is the dfinal of the preceding chunk, if the
gradient is to pass between chunks.

Truncation, BPTT(k1, k2). Williams and Peng 1990, Neural Computation 2(4), write it BPTT(h; h') with h = k2 and h' = k1.
After every k1 steps forward, and after the last step, there is a backward pass of at most k2 steps. It contains the losses
of those k1 steps and no others, so every loss counts once. Precisely, the backward pass after step e - 1, when the previous
one was made after step s - 1 (e = s + k1, or T at the end),

    uses dy of the steps s .. e-1, and dfinal if e = T;
    visits the steps e-1 .. b, b = max(0, e - k2), and treats the state before step b as a constant.

All backward passes use the same parameters, and their gradients are summed. A loss reaches back at least k2 - k1 + 1 and at
most k2 steps, its own step included. With k1 = 1 every loss reaches back exactly k2 steps, at the cost of k2 backward steps
per forward step. k1 = k2 = k costs no more than full BPTT and is the common choice: chunks of k steps, where the state is
passed from one to the next and the gradient is not. k1 = k2 = T, and any k1 with k2 >= T, is full BPTT.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .cell import Array, Cell, Params, State


class ForwardPass(NamedTuple):
    """The result of `forward`, and what `backward` needs."""

    x: Array  # (B, T, I)
    y: Array  # (B, T, H), h after every step
    final_state: State  # the state after step T-1, (B, H) per component
    caches: list[Any]  # the cache of each of the T steps


class Gradients(NamedTuple):
    """Gradients of the loss. Each has the shape of the variable."""

    params: Params
    x: Array  # (B, T, I)
    initial_state: State  # (B, H) per component


def forward(cell: Cell, p: Params, x: Array, state: State | None = None) -> ForwardPass:
    """Run a cell over a sequence.

    Args:
        cell: the cell.
        p: its parameters.
        x: (B, T, I), the input.
        state: the initial state, (B, H) per component. Default: None, zeros.

    Returns:
        A `ForwardPass` with the outputs y (B, T, H) and the final state.

    Raises:
        ValueError: if shapes, names or dtypes do not match.
    """
    B, T, H = _check(cell, p, x, state)
    state = cell.zero_state(B, p) if state is None else state
    y, caches = np.empty((B, T, H), x.dtype), []
    for t in range(T):
        state, cache = cell.step(x[:, t], state, p)
        y[:, t] = state[0]
        caches.append(cache)
    return ForwardPass(x, y, state, caches)


def backward(
    cell: Cell,
    p: Params,
    run: ForwardPass,
    dy: Array | None = None,
    dfinal: State | None = None,
    truncate: tuple[int, int] | None = None,
) -> Gradients:
    """Compute the gradients with respect to the parameters, x and the initial state.

    Args:
        cell: the cell.
        p: its parameters, the same as in `forward`.
        run: what `forward` returned.
        dy: (B, T, H), the gradient of the loss with respect to y. Default: None, the loss does not depend on y.
        dfinal: the gradient with respect to the final state, (B, H) per component. Default: None, the loss does not
            depend on it.
        truncate: (k1, k2) with 1 <= k1 <= k2, see the documentation of the module. Default: None, full BPTT.

    Returns:
        The `Gradients`.

    Raises:
        ValueError: if a shape does not match or `truncate` is invalid.
    """
    zeros = tuple(np.zeros_like(component) for component in run.final_state)
    dy = np.zeros_like(run.y) if dy is None else dy
    dfinal = zeros if dfinal is None else dfinal
    _same_shape("dy", dy, run.y.shape, "(B, T, H)")
    _check_state("dfinal", dfinal, cell, run.final_state[0].shape)

    T = run.y.shape[1]
    dp = {name: np.zeros_like(value) for name, value in p.items()}
    dx, dinitial = np.zeros_like(run.x), zeros
    for b, s, e in backward_passes(T, truncate):
        dstate = dfinal if e == T else zeros
        for t in reversed(range(b, e)):
            if t >= s:
                dh, *rest = dstate
                dstate = (dh + dy[:, t], *rest)
            dx_t, dstate = cell.step_backward(dstate, run.caches[t], p, dp)
            dx[:, t] += dx_t
        if b == 0:
            dinitial = tuple(total + component for total, component in zip(dinitial, dstate, strict=True))
    return Gradients(dp, dx, dinitial)


def backward_passes(T: int, truncate: tuple[int, int] | None) -> list[tuple[int, int, int]]:
    """Return (b, s, e) for each backward pass over T steps: it visits e-1 .. b and uses the losses of the steps s .. e-1."""
    if truncate is None:
        return [(0, 0, T)]
    k1, k2 = truncate
    if not 1 <= k1 <= k2:
        raise ValueError(f"truncate is (k1, k2) = ({k1}, {k2}); expected 1 <= k1 <= k2, so that every loss is used")
    ends = [*range(k1, T, k1), T]
    return [(max(0, e - k2), s, e) for s, e in zip([0, *ends], ends, strict=False)]


def _check(cell: Cell, p: Params, x: Array, state: State | None) -> tuple[int, int, int]:
    """Return B, T and H. Raises ValueError if shapes, names or dtypes do not match."""
    if x.ndim != 3:
        raise ValueError(f"x is {x.shape}; expected three axes, (B, T, I)")
    (B, T, I), H = x.shape, p["weight_hh"].shape[-1] if "weight_hh" in p else 0
    shapes = cell.shapes(I, H)
    if p.keys() != shapes.keys():
        raise ValueError(f"the parameters are {', '.join(p) or 'none'}; expected {', '.join(shapes)}")
    for name, shape in shapes.items():
        _same_shape(name, p[name], shape, f"of {type(cell).__name__} with I = {I}, H = {H}")
    dtypes = {array.dtype for array in (x, *p.values(), *(state or ()))}
    if len(dtypes) > 1 or not np.issubdtype(x.dtype, np.floating):
        raise ValueError(
            f"x, parameters and state have the dtypes {', '.join(sorted(map(str, dtypes)))}; expected one floating dtype"
        )
    if state is not None:
        _check_state("state", state, cell, (B, H))
    return B, T, H


def _check_state(name: str, state: State, cell: Cell, shape: tuple[int, ...]) -> None:
    if len(state) != len(cell.states):
        raise ValueError(f"{name} has {len(state)} components; {type(cell).__name__} has {', '.join(cell.states)}")
    for component, array in zip(cell.states, state, strict=True):
        _same_shape(f"{name}, component {component},", array, shape, "(B, H)")


def _same_shape(name: str, array: Array, shape: tuple[int, ...], letters: str) -> None:
    if array.shape != shape:
        raise ValueError(f"{name} is {array.shape}; expected {shape}, {letters}")
