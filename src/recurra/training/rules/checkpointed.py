"""Backpropagation through the whole sequence with recomputation: Chen et al. 2016, arXiv:1604.06174.

The sequence is divided into segments. The forward pass keeps the state before each segment; the backward pass computes the
activations of a segment again when it needs them. With sqrt(T) segments of sqrt(T) time steps the memory is O(sqrt(T)), for one
more forward pass. The gradient is that of the same segments without recomputation, to the bit.
"""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ...nn import State
from ...tasks.base import Backward
from ...tasks.objective import Objective
from .base import Cursor, GradientRule

Kept = tuple[Tensor, State | None, tuple[Tensor, ...] | None]


@final
class CheckpointedBPTT(GradientRule):
    """Full backpropagation in segments. `recompute=False` keeps all activations."""

    name: ClassVar[str] = "bptt"

    def __init__(self, segments: int, *, recompute: bool = True) -> None:
        self.segments, self.recompute = segments, recompute

    def gradient(self, objective: Objective, state: State | None, backward: Backward) -> tuple[Tensor, State | None]:
        """See `GradientRule.gradient`."""
        T, lengths = objective.steps, objective.lengths
        size = max(1, -(-T // self.segments))
        total = torch.zeros((), device=objective.device)
        kept: Kept = total, state, None
        for begin in range(0, max(T, 1), size):
            at, end = lengths.clamp(max=begin), lengths.clamp(max=begin + size)

            def segment(kept: Kept, at: Tensor = at, end: Tensor = end, begin: int = begin) -> Kept:
                loss, before, pooled = kept
                y, index, valid, after = Cursor(objective, at, before, pooled).read(end)
                if objective.has_steps:
                    loss = loss + objective.step_loss(y, index, valid)
                ended = (end == lengths) & ((at < end) | (lengths == 0) & (begin == 0))
                if after.pooled is not None and bool(ended.any()):
                    loss = loss + objective.final_loss(after.pooled, ended)
                return loss, after.state, after.pooled

            kept = checkpoint(segment, kept, use_reentrant=False) if self.recompute else segment(kept)
        loss, after, _ = kept
        backward(loss)
        return loss.detach(), None if objective.resume is None or after is None else after.detach()
