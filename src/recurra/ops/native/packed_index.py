"""The order of the valid time steps in the kernels: by time step, and within a step by length, longest first.

This is the order of torch's PackedSequence.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from .lazy_zeros import lazy_zeros


class PackedIndex(NamedTuple):
    """The N valid time steps of a batch, as the kernels number them. The tensors are on the CPU."""

    B: int
    T: int
    batch_indices: Tensor  # (B,) int64: the indices of the sequences in the batch, longest first
    lengths: Tensor  # (B,): their lengths
    step_offsets: Tensor  # (T,): the number of the first sequence of each time step
    batch_sizes: Tensor  # (T,): how many sequences are valid at each time step
    total: int  # N
    without_padding: bool  # there are no lengths, so every time step is valid

    @classmethod
    def of(cls, lengths: Tensor | None, B: int, T: int) -> PackedIndex:
        """Return the index of a batch of B sequences of at most T time steps; `lengths` (B,) or None without padding."""
        if lengths is None:
            return _without_padding(B, T)
        steps = torch.arange(T, device="cpu")
        lengths, batch_indices = lengths.sort(descending=True, stable=True)
        batch_sizes = (steps[:, None] < lengths).sum(1)
        step_offsets = batch_sizes.cumsum(0) - batch_sizes
        return cls(B, T, batch_indices, lengths, step_offsets, batch_sizes, int(batch_sizes.sum()), False)

    def original_lengths(self) -> Tensor | None:
        """The lengths (B,) in the order of the batch; None without padding."""
        if self.without_padding:
            return None
        return torch.empty_like(self.lengths).scatter_(0, self.batch_indices, self.lengths)

    def padded(self, C: int, like: Tensor) -> Tensor:
        """A tensor (B, T, C), no view, whose valid time steps will be written; its padding is zero."""
        if self.without_padding:
            return like.new_empty(self.T, self.B, C).transpose_(0, 1)
        shape = (self.B, self.T, C)
        return lazy_zeros(shape, like) if 2 * self.total < self.B * self.T else like.new_zeros(shape)


@lru_cache(maxsize=64)
def _without_padding(B: int, T: int) -> PackedIndex:
    """All time steps of all sequences. Nothing writes to the cached tensors. They are on the CPU for any default device."""
    indices, steps = torch.arange(B, device="cpu"), torch.arange(T, device="cpu")
    return PackedIndex(
        B, T, indices, torch.full_like(indices, T), steps * B, torch.full_like(steps, B), B * T, without_padding=True
    )
