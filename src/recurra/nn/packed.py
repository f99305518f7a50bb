"""Conversion of a PackedSequence to a padded batch with lengths, and back.

torch's own functions copy one time step after the other, and the cost of their backward pass is quadratic in T. The
functions here use one index operation.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from ..errors import CallError
from .base import RecurrentBase
from .layout import SequenceLayout
from .reset import Reset, check_reset
from .validate import Lengths, ShapeError, check_lengths


def run_packed(
    layer: RecurrentBase,
    packed: PackedSequence,
    initial_of: Callable[[int], list[Tensor]],
    lengths: Lengths,
    reset: Reset,
) -> tuple[PackedSequence, list[Tensor]]:
    """Run a layer on a PackedSequence. Return the output, and the components of the final state, (B, size) each.

    `initial_of(B)` returns the components of the initial state, or an empty list. They, the final state and the rows of `reset`
    are in the order of the sequences before they were packed.
    """
    if lengths is not None:
        raise CallError(
            "lengths is given for a PackedSequence, which contains its own lengths; remove the argument lengths"
        )
    if packed.data.dim() != 2:
        raise ShapeError(
            f"input is a PackedSequence with features of shape {tuple(packed.data.shape[1:])}; "
            f"expected (I,) with I = {layer.input_size}"
        )
    x, packed_lengths, index = unpack(packed)
    layer._check_x(x)
    initial, order, inverse = initial_of(x.shape[0]), packed.sorted_indices, packed.unsorted_indices
    starts = check_reset(reset, x)
    if order is not None:
        initial = [component.index_select(0, order) for component in initial]
        starts = None if starts is None else starts[order.cpu()]
    layout = SequenceLayout(time_first=True, packed=index)
    y, final = layer._run(x, check_lengths(packed_lengths, x), initial, starts, layout)
    if inverse is not None:
        final = [component.index_select(0, inverse) for component in final]
    return pack(y, index, packed), final


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
    """Return y (T, B, F), in packed order, as a PackedSequence with the batch sizes and the order of `like`."""
    data = y.reshape(-1, y.shape[2]).index_select(0, index)
    return PackedSequence(data, like.batch_sizes, like.sorted_indices, like.unsorted_indices)
