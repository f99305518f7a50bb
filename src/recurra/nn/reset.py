"""Resets: sequences that restart from the initial state at given time steps.

A sequence is split at its resets into segments, which run as the sequences of a larger batch and are joined again. A
segment ends at the next reset or at the end of the sequence. No state crosses a reset, in either direction. The initial
state that was passed to the call applies to the first segment, in the reverse direction to the last one, unless the
sequence has a reset at time step 0. All other segments start from the initial state of the layer. The final state of a
sequence is that of its last segment, in the reverse direction that of its first one. A reset in the padding has no effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .. import ops
from ..errors import CallError
from .validate import ArgumentError, ShapeError

Reset = Tensor | Sequence[tuple[int, int]] | None


def check_reset(reset: Reset, x: Tensor) -> Tensor | None:
    """Return `reset` for x (B, T, I) as booleans (B, T) on the CPU, or None if no sequence restarts.

    A tensor on a GPU is copied to the CPU, which waits for the GPU.
    """
    if reset is None:
        return None
    if torch.compiler.is_compiling() or ops.traced(x):
        raise CallError("reset is not supported under torch.compile, torch.export or tracing, because the number of "
                        "segments depends on its values; split the sequences before the compiled function")  # fmt: skip
    B, T = x.shape[:2]
    if isinstance(reset, Tensor):
        if reset.dtype != torch.bool or reset.shape != (B, T):
            raise ShapeError(
                f"reset is {reset.dtype} of shape {tuple(reset.shape)}; expected torch.bool, (B, T) = {(B, T)}"
            )
        starts = reset.cpu()
    else:
        starts = torch.zeros(B, T, dtype=torch.bool, device="cpu")
        for sequence, step in _pairs(reset):
            if not 0 <= sequence < B:
                raise CallError(
                    f"reset has sequence {sequence} in {(sequence, step)}; expected 0 <= sequence < B = {B}"
                )
            if not 0 <= step < T:
                raise CallError(f"reset has step {step} in {(sequence, step)}; expected 0 <= step < T = {T}")
            starts[sequence, step] = True
    return starts if starts.any() else None


def _pairs(reset: Any) -> list[tuple[int, int]]:
    pairs = []
    for pair in reset if isinstance(reset, Sequence) else [reset]:
        try:
            sequence, step = (index(number) for number in pair if not isinstance(number, bool))  # no lists of booleans
        except (TypeError, ValueError):
            raise ArgumentError(
                f"reset has {pair!r}; expected pairs (sequence, step) of integers, or booleans (B, T)"
            ) from None
        pairs.append((sequence, step))
    return pairs


class Segments(NamedTuple):
    """Indices that split B sequences into N segments of at most P time steps and join them again."""

    lengths: Tensor  # (N,)
    source: Tensor  # (N, P): the index in flat (B, T) of each time step of each segment
    target: Tensor  # (B, T): the index in flat (N, P) of each time step of each sequence
    valid: Tensor  # (B, T, 1): False in the padding
    sequence: Tensor  # (N,): the sequence of each segment
    takes_state: tuple[Tensor, Tensor]  # (N, 1) booleans per direction: the segment starts from the state of the call
    final: tuple[Tensor, Tensor]  # (B,) per direction: the segment that determines the final state of each sequence

    @classmethod
    def of(cls, starts: Tensor, lengths: Tensor | None, device: torch.device) -> Segments:
        """Return the segments, with all indices on `device`, for starts (B, T) on the CPU, T > 0, and lengths (B,) or None."""
        B, T = starts.shape
        steps = torch.arange(T, device="cpu")
        ends = torch.full((B,), T, device="cpu") if lengths is None else lengths.cpu()
        valid = steps < ends[:, None]
        begins = starts & valid
        begins[:, 0] = True  # a sequence of length 0 is one segment of length 0
        sequence, begin = begins.nonzero(as_tuple=True)  # sequence after sequence, in the order of time
        is_first = torch.ones_like(sequence, dtype=torch.bool)
        is_first[1:] = sequence[1:] != sequence[:-1]
        is_last = is_first.roll(-1)
        size = torch.where(is_last, ends[sequence], begin.roll(-1)) - begin
        P = max(int(size.max()), 1)
        source = (sequence * T + begin)[:, None] + torch.arange(P, device="cpu")
        segment = begins.flatten().cumsum(0).view(B, T) - 1
        target = segment * P + steps - begin[segment]
        restarts = (starts & valid)[sequence, 0]
        return cls(
            lengths=size.to(device),
            source=source.clamp(max=B * T - 1).to(device),
            target=torch.where(valid, target, 0).to(device),
            valid=valid[:, :, None].to(device),
            sequence=sequence.to(device),
            takes_state=((is_first & ~restarts)[:, None].to(device), is_last[:, None].to(device)),
            final=(is_last.nonzero()[:, 0].to(device), is_first.nonzero()[:, 0].to(device)),
        )

    def split(self, x: Tensor) -> Tensor:
        """Return the segments (N, P, I) of x (B, T, I)."""
        return x.reshape(-1, x.shape[2]).index_select(0, self.source.flatten()).view(*self.source.shape, -1)

    def join(self, y: Tensor) -> Tensor:
        """Return the sequences (B, T, F), zero in the padding, from the segments y (N, P, F)."""
        sequences = y.reshape(-1, y.shape[2]).index_select(0, self.target.flatten()).view(*self.target.shape, -1)
        return torch.where(self.valid, sequences, 0)

    def initial_state(self, component: Tensor, restart: Tensor, direction: int) -> Tensor:
        """Return a component (N, size) of the initial state of the segments.

        `component` (B, size) is that of the call, `restart` (size,) or () that of the layer.
        """
        return torch.where(self.takes_state[direction], component.index_select(0, self.sequence), restart)

    def final_state(self, component: Tensor, direction: int) -> Tensor:
        """Return a component (B, size) of the final state of the sequences from that of the segments, (N, size)."""
        return component.index_select(0, self.final[direction])
