"""PackedSequence at the door: taken apart into a padded batch with lengths, and put together again.

torch's own pair of functions copies step by step, and its backward pass costs time that grows with the square of T;
an index does it in one step.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence


def unpack(packed: PackedSequence) -> tuple[Tensor, Tensor, Tensor]:
    """-> x (B, T, I) with rows in packed order, lengths (B,) on the CPU, and the places of the packed rows (N,)."""
    sizes = packed.batch_sizes  # (T,), on the CPU
    T, B = len(sizes), int(sizes[0])
    live = torch.arange(B) < sizes[:, None]  # (T, B)
    places = live.flatten().nonzero()[:, 0].to(packed.data.device)
    x = packed.data.new_zeros(T * B, packed.data.shape[1]).index_copy(0, places, packed.data)
    return x.view(T, B, -1).transpose(0, 1), live.sum(0), places


def pack(y: Tensor, places: Tensor, like: PackedSequence) -> PackedSequence:
    """y (B, T, F) in packed order -> PackedSequence with the batch sizes and the order of `like`."""
    data = y.transpose(0, 1).reshape(-1, y.shape[2]).index_select(0, places)
    return PackedSequence(data, like.batch_sizes, like.sorted_indices, like.unsorted_indices)
