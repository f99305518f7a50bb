"""A cell over T steps, and backpropagation through time. Werbos 1990, Proceedings of the IEEE 78(10).

Forward: the state after one step is the state before the next.

    state[t] = step(x[:, t], state[t - 1])      t = 0 .. T-1; state[-1] is given, or zeros
    y[:, t]  = the first part of state[t], h    (B, H)

Backward: state[t] reaches the loss by its output y[:, t] and by state[t + 1]. The gradient by it is the sum of the two,

    dstate[t] = dy[:, t]  +  what step_backward hands back from step t + 1       (at the end: dlast)

so one walk from the last step to the first finds every gradient. The parameters, used at every step, get a share at each.
Many to many: the loss says dy for all steps. Many to one: it says dlast alone. Both may be given. What the walk hands back
before step 0 is the gradient by the first state: it is the dlast of the steps before, if they are to learn from it too.

Truncation, BPTT(k1, k2). Williams and Peng 1990, Neural Computation 2(4), write it BPTT(h; h') with h = k2 and h' = k1.
After every k1 steps forward, and after the last one, there is a walk back of at most k2 steps. It carries the losses of
those k1 steps and of no others, so that every loss counts once. Precisely, the walk after step e - 1, when the one before
it was made after step s - 1 (e = s + k1, or T at the end),

    takes dy of the steps s .. e-1, and dlast if e = T;
    visits the steps e-1 .. b, b = max(0, e - k2), and takes the state before step b for a constant.

All walks use the same parameters here, and their gradients are summed. A loss reaches back at least k2 - k1 + 1 and at
most k2 steps, its own counted. k1 = 1 gives the cleanest rule, every loss reaches exactly k2 steps, and costs k2 steps of
walking for each step forward. k1 = k2 = k costs no more than full BPTT and is what people do: windows of k steps, the
state carried from one into the next, the gradient not. (k1 = k2 = T, and any k1 with k2 >= T, is full BPTT.)
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .cell import Array, Cell, Params, State


class Pass(NamedTuple):
    """A cell that has run over time, and what it needs for its way back."""

    x: Array  # (B, T, I)
    y: Array  # (B, T, H), h after every step
    last: State  # the state after step T-1, (B, H) each
    kept: list[Any]  # what each of the T steps kept


class Gradients(NamedTuple):
    """Gradients of the loss, each in the shape of what it is the gradient by."""

    params: Params
    x: Array  # (B, T, I)
    state: State  # by the first state, (B, H) each


def forward(cell: Cell, p: Params, x: Array, state: State | None = None) -> Pass:
    """Run `cell` over x (B, T, I) from the first state, (B, H) a part, or zeros. ValueError for shapes that do not fit."""
    B, T, H = _check(cell, p, x, state)
    state = cell.zero_state(B, p) if state is None else state
    y, kept = np.empty((B, T, H), x.dtype), []
    for t in range(T):
        state, keep = cell.step(x[:, t], state, p)
        y[:, t] = state[0]
        kept.append(keep)
    return Pass(x, y, state, kept)


def backward(
    cell: Cell,
    p: Params,
    ran: Pass,
    dy: Array | None = None,
    dlast: State | None = None,
    truncate: tuple[int, int] | None = None,
) -> Gradients:
    """The gradients by the parameters, by x and by the first state.

    dy        the gradient of the loss by y, (B, T, H); None: the loss does not look at y
    dlast     the gradient by the last state, (B, H) a part; None: the loss does not look at it
    truncate  (k1, k2), 1 <= k1 <= k2, see the top of this file; None: full BPTT
    ValueError for shapes and numbers that do not fit.
    """
    zeros = tuple(np.zeros_like(part) for part in ran.last)
    dy = np.zeros_like(ran.y) if dy is None else dy
    dlast = zeros if dlast is None else dlast
    _same_shape("dy", dy, ran.y.shape, "(B, T, H)")
    _check_state("dlast", dlast, cell, ran.last[0].shape)

    T = ran.y.shape[1]
    dp = {name: np.zeros_like(value) for name, value in p.items()}
    dx, dfirst = np.zeros_like(ran.x), zeros
    for b, s, e in walks(T, truncate):
        dstate = dlast if e == T else zeros
        for t in reversed(range(b, e)):
            if t >= s:
                dh, *rest = dstate
                dstate = (dh + dy[:, t], *rest)
            dx_t, dstate = cell.step_backward(dstate, ran.kept[t], p, dp)
            dx[:, t] += dx_t
        if b == 0:
            dfirst = tuple(total + part for total, part in zip(dfirst, dstate, strict=True))
    return Gradients(dp, dx, dfirst)


def walks(T: int, truncate: tuple[int, int] | None) -> list[tuple[int, int, int]]:
    """(b, s, e) of every walk back over T steps: it visits e-1 .. b and takes the losses of the steps s .. e-1."""
    if truncate is None:
        return [(0, 0, T)]
    k1, k2 = truncate
    if not 1 <= k1 <= k2:
        raise ValueError(f"truncate is (k1, k2) = ({k1}, {k2}); wanted 1 <= k1 <= k2, or losses would be left out")
    ends = [*range(k1, T, k1), T]
    return [(max(0, e - k2), s, e) for s, e in zip([0, *ends], ends, strict=False)]


def _check(cell: Cell, p: Params, x: Array, state: State | None) -> tuple[int, int, int]:
    """B, T and H of a call whose shapes and types fit together; ValueError says what does not."""
    if x.ndim != 3:
        raise ValueError(f"x is {x.shape}; wanted three axes, (B, T, I)")
    (B, T, I), H = x.shape, p["weight_hh"].shape[-1] if "weight_hh" in p else 0
    shapes = cell.shapes(I, H)
    if p.keys() != shapes.keys():
        raise ValueError(f"the parameters are {', '.join(p) or 'none'}; wanted {', '.join(shapes)}")
    for name, shape in shapes.items():
        _same_shape(name, p[name], shape, f"of {type(cell).__name__} with I = {I}, H = {H}")
    types = {array.dtype for array in (x, *p.values(), *(state or ()))}
    if len(types) > 1 or not np.issubdtype(x.dtype, np.floating):
        raise ValueError(f"x, parameters and state hold {', '.join(sorted(map(str, types)))}; wanted one floating type")
    if state is not None:
        _check_state("state", state, cell, (B, H))
    return B, T, H


def _check_state(name: str, state: State, cell: Cell, shape: tuple[int, ...]) -> None:
    if len(state) != len(cell.states):
        raise ValueError(f"{name} has {len(state)} parts; {type(cell).__name__} has {', '.join(cell.states)}")
    for part, array in zip(cell.states, state, strict=True):
        _same_shape(f"{name}, part {part},", array, shape, "(B, H)")


def _same_shape(name: str, array: Array, shape: tuple[int, ...], letters: str) -> None:
    if array.shape != shape:
        raise ValueError(f"{name} is {array.shape}; wanted {shape}, {letters}")
