"""The definition: a plain loop over time in ordinary torch. It takes any cell and any call."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..cells import Cell, check_step, failure
from ..errors import CallError
from .call import Backend, Call, note
from .variable_length import live_steps


def run(call: Call) -> list[Tensor]:
    """See `Backend.run`. Each step is kept where a row is alive; where not, the old state stays (never multiplied)."""
    note("reference")
    x, T = call.x.transpose(0, 1), call.x.shape[1]  # (T, B, I)
    live = None
    if call.lengths is not None:
        live = live_steps(call.lengths, T)
        x = torch.where(live, x, 0)  # what stands in the padding, a NaN perhaps, must not reach a gradient
    outputs, last = [], []
    for d in range(call.directions):
        try:
            y, state = _one_direction(call.one_direction(d), x, live, reverse=d == 1)
        except Exception as error:
            if said := failure(call.cell, error):
                raise said from error
            raise
        outputs.append(y)
        last += state
    y = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=-1)
    return [y.transpose(0, 1), *last]


def _one_direction(call: Call, x: Tensor, live: Tensor | None, reverse: bool) -> tuple[Tensor, list[Tensor]]:
    """x (T, B, I) -> y (T, B, H) and the last state. In reverse the dead steps come first and change nothing."""
    cell, (T, B, I) = call.cell, x.shape
    params = dict(zip(cell.parameters(I, call.hidden_size, call.bias), call.weights, strict=True))
    projected = cell.project(x, params)
    state = cell.state_type(*(call.state or [x.new_zeros(B, size) for size in call.sizes]))
    reads, *keeps = call.masks or [x.new_empty(0)] * (1 + len(state))
    shares = [keep.expand(T, *part.shape) if keep.numel() else None for keep, part in zip(keeps, state, strict=True)]
    step = masked(cell, reads).step if reads.numel() else cell.step
    ys: list[Tensor] = []
    for t in reversed(range(T)) if reverse else range(T):
        after: Any = step(projected[t], state, params)
        if not ys:  # a cell of somebody's own is told what its step drops or bends
            check_step(cell, state, after)
        after = cell.state_type(*after)
        if call.masks:
            after = cell.state_type(*(_zoned(*parts, t) for parts in zip(after, state, shares, strict=True)))
        if live is not None:
            after = cell.state_type(*(torch.where(live[t], new, old) for new, old in zip(after, state, strict=True)))
        state = after
        ys.append(state[0] if live is None else torch.where(live[t], state[0], 0))
    if not ys:
        return x.new_zeros(0, B, call.sizes[0]), [part.clone() for part in state]
    # A length of 0 hands the first state through `where`, which copies: the last state never is the first one's memory.
    return torch.stack(ys[::-1] if reverse else ys), list(state)


def _zoned(new: Tensor, old: Tensor, keep: Tensor | None, t: int) -> Tensor:
    """A part of the state after step t, of which the share `keep[t]` stays what it was."""
    return new if keep is None else keep[t] * old + (1 - keep[t]) * new


def masked(cell: Cell, mask: Tensor) -> Cell:
    """`cell` with its output h times `mask` wherever its gates read h, and only there: what carries h on stays whole.

    Every step begins with `gates_of`, so nothing need be known of the cell. Raises CallError where that is not so.
    """
    kind: Any = type(cell)

    class Masked(kind):  # type: ignore[misc]
        name = cell.name

        def gates_of(self, projected: Tensor, state: Any, params: Any) -> Any:
            asked.append(True)
            return super().gates_of(projected, state._replace(**{cell.states[0]: state[0] * mask}), params)

        def step(self, *args: Any) -> Any:
            asked.clear()
            after = super().step(*args)
            if not asked:
                raise CallError(f"recurrent_dropout came with the cell {cell}, whose step does not begin with gates_of; "
                                "wanted a cell whose gates read h there")  # fmt: skip
            return after

    asked: list[bool] = []
    made: Cell = Masked(**vars(cell))
    return made


BACKEND = Backend("reference", run, lambda call: None, masks=True)
