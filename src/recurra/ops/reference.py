"""The definition: a plain loop over time in ordinary torch. It takes any cell and any call."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .call import Backend, Call, note
from .ragged import live_steps


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
        y, state = _one_direction(call.one_direction(d), x, live, reverse=d == 1)
        outputs.append(y)
        last += state
    y = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=-1)
    return [y.transpose(0, 1), *last]


def _one_direction(call: Call, x: Tensor, live: Tensor | None, reverse: bool) -> tuple[Tensor, list[Tensor]]:
    """x (T, B, I) -> y (T, B, H) and the last state. In reverse the dead steps come first and change nothing."""
    cell, (T, B, I) = call.cell, x.shape
    params = dict(zip(cell.parameters(I, call.hidden_size, call.bias), call.weights, strict=True))
    sizes = cell.state_sizes(call.hidden_size)
    projected = cell.project(x, params)
    state = cell.state_type(*(call.state or [x.new_zeros(B, size) for size in sizes.values()]))
    ys = []
    for t in reversed(range(T)) if reverse else range(T):
        after: Any = cell.state_type(*cell.step(projected[t], state, params))
        if live is not None:
            after = cell.state_type(*(torch.where(live[t], new, old) for new, old in zip(after, state, strict=True)))
        state = after
        ys.append(state[0] if live is None else torch.where(live[t], state[0], 0))
    if not ys:
        return x.new_zeros(0, B, sizes[cell.states[0]]), [part.clone() for part in state]
    # A length of 0 hands the first state through `where`, which copies: the last state never is the first one's memory.
    return torch.stack(ys[::-1] if reverse else ys), list(state)


BACKEND = Backend("reference", run, lambda call: None)
