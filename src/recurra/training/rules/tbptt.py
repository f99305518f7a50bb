"""Truncated backpropagation through time, BPTT(k1, k2): Williams and Peng 1990, Neural Computation 2(4).

The losses of k1 time steps have one backward pass over the k2 time steps that end with them: `recurra.bptt` with
`truncate=(k1, k2)`. The state before these is a constant. For an N-to-1 task this leaves one backward pass for each sequence,
over its last k2 time steps; earlier outputs in the pooling are constants.
"""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor

from ...nn import State
from ...tasks.base import Backward
from ...tasks.objective import Objective
from .base import Cursor, GradientRule


@final
class TBPTT(GradientRule):
    """Backward passes over k2 time steps, for the losses of k1."""

    name: ClassVar[str] = "tbptt"

    def __init__(self, k1: int, k2: int) -> None:
        self.k1, self.k2 = k1, k2

    def gradient(self, objective: Objective, state: State | None, backward: Backward) -> tuple[Tensor, State | None]:
        """See `GradientRule.gradient`."""
        total = torch.zeros((), device=objective.device)
        after = None
        if objective.has_steps:
            ends = [*range(objective.begin + self.k1, objective.steps, self.k1), objective.steps]
            total, after = step_passes(objective, state, ends, self.k2, backward)
        if objective.pooling is not None:
            total = total + final_pass(objective, self.k2, backward)
        return total, after


def step_passes(
    objective: Objective, state: State | None, ends: list[int], k2: int | None, backward: Backward
) -> tuple[Tensor, State | None]:
    """Run a backward pass for the losses between two of the `ends`, in each sequence. Returns the loss and the state.

    It contains the last k2 time steps; a sequence that ends earlier has its last one over its own last k2 time steps.
    With k2 = None it contains the time steps that have these losses.
    """
    lengths = objective.lengths
    window = k2 or max(objective.steps, 1)
    before = after = Cursor.at_begin(objective, state)
    total = torch.zeros((), device=objective.device)
    for begin, end in zip([objective.begin, *ends], ends, strict=False):
        runs = lengths > begin
        to = torch.where(runs, lengths.clamp(max=end), after.at)
        first = torch.where(runs, (to - k2).clamp(min=0), after.at) if k2 else after.at
        before = _nearest(before, after, first).moved(first, window)
        y, index, valid, reached = before.read(to)
        loss = objective.step_loss(y, index, valid & (index >= begin))
        backward(loss)
        total, after = total + loss.detach(), reached.detached()
        del y, loss, reached  # the graph of this window is freed before the next one is built
    if objective.resume is None:
        return total, None
    to = torch.full_like(lengths, objective.resume)
    return total, _nearest(before, after, to).moved(to, window).state


def final_pass(objective: Objective, k2: int, backward: Backward) -> Tensor:
    """Run the backward pass of the final loss over the last k2 time steps of each sequence. Returns the loss."""
    lengths = objective.lengths
    *_, after = Cursor.at_begin(objective).moved((lengths - k2).clamp(min=0), k2).read(lengths)
    assert after.pooled is not None
    loss = objective.final_loss(after.pooled, torch.ones_like(lengths, dtype=torch.bool))
    backward(loss)
    return loss.detach()


def _nearest(before: Cursor, after: Cursor, to: Tensor) -> Cursor:
    """The later one of two cursors that is not beyond `to`."""
    return after if bool((after.at <= to).all()) else before
