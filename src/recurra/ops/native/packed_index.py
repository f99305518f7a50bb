"""The live steps of a batch one after the other, step by step with the longest row first: what the kernels work on."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from .lazy_zeros import sparse_zeros


class LiveSteps(NamedTuple):
    """The live steps of a batch, in the order (N,) in which the kernels have them."""

    B: int
    T: int
    rows: Tensor  # (B,) int64: the row at each place, longest first
    lengths: Tensor  # (B,): theirs
    offset: Tensor  # (T,): where each step begins
    alive: Tensor  # (T,): how many rows it has
    total: int  # N
    whole: bool  # there are no lengths: all steps are live

    @classmethod
    def of(cls, lengths: Tensor | None, B: int, T: int) -> LiveSteps:
        if lengths is None:
            return _whole(B, T)
        steps = torch.arange(T, device="cpu")
        lengths, rows = lengths.sort(descending=True, stable=True)
        alive = (steps[:, None] < lengths).sum(1)
        return cls(B, T, rows, lengths, alive.cumsum(0) - alive, alive, int(alive.sum()), False)

    def padded(self, C: int, like: Tensor) -> Tensor:
        """(B, T, C), for what is to be written on all live steps: zero on the others."""
        if self.whole:
            return like.new_empty(self.T, self.B, C).transpose(0, 1)
        shape = (self.B, self.T, C)
        return sparse_zeros(shape, like) if 2 * self.total < self.B * self.T else like.new_zeros(shape)


@lru_cache(maxsize=64)
def _whole(B: int, T: int) -> LiveSteps:
    """All steps of all rows. Nobody writes to what is kept here; on the CPU whatever device is the default."""
    rows, steps = torch.arange(B, device="cpu"), torch.arange(T, device="cpu")
    return LiveSteps(B, T, rows, torch.full_like(rows, T), steps * B, torch.full_like(steps, B), B * T, True)
