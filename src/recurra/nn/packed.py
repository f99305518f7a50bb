"""Conversion of a PackedSequence to a padded batch with lengths, and back.

torch's own functions copy one time step after the other, and the cost of their backward pass is quadratic in T. The
functions here use one index operation.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence


def unpack(packed: PackedSequence) -> tuple[Tensor, Tensor, Tensor]:
    """Return x (B, T, I), lengths (B,) on the CPU, and the index (N,) of the packed time steps in flat (T, B).

    The sequences stay in packed order.
    """
    sizes = packed.batch_sizes  # (T,), on the CPU
    T, B = len(sizes), int(sizes[0])
    valid = torch.arange(B, device=sizes.device) < sizes[:, None]  # (T, B)
    index = valid.flatten().nonzero()[:, 0].to(packed.data.device)
    x = packed.data.new_zeros(T * B, packed.data.shape[1]).index_copy(0, index, packed.data)
    return x.view(T, B, -1).transpose(0, 1), valid.sum(0), index


def pack(y: Tensor, index: Tensor, like: PackedSequence) -> PackedSequence:
    """Return y (B, T, F), in packed order, as a PackedSequence with the batch sizes and the order of `like`."""
    data = y.transpose(0, 1).reshape(-1, y.shape[2]).index_select(0, index)
    return PackedSequence(data, like.batch_sizes, like.sorted_indices, like.unsorted_indices)
