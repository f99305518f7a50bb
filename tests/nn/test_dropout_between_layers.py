"""On the CPU, dropout between layers draws the random numbers of torch.nn, for padded batches and for a PackedSequence."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence
from transform_cases import components

from recurra import nn


def results(home: Any, kind: str, x: Any, options: dict[str, Any], dtype: torch.dtype) -> list[Tensor]:
    """Outputs, gradients, and the next random number."""
    torch.manual_seed(0)
    layer = getattr(home, kind)(3, 16, 3, dropout=0.4, dtype=dtype, **options)
    y, state = layer(x)
    y = y.data if isinstance(y, PackedSequence) else y
    loss = y.sin().sum() + sum(part.sin().sum() for part in components(state))
    return [y, *components(state), *torch.autograd.grad(loss, list(layer.parameters())), torch.rand(3)]


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
def test_same_masks_as_torch(kind: str, dtype: torch.dtype, bidirectional: bool, batch_first: bool) -> None:
    options = {"bidirectional": bidirectional, "batch_first": batch_first}
    x = torch.randn(4, 9, 3, dtype=dtype, generator=torch.Generator().manual_seed(1))
    lengths = torch.tensor([9, 4, 7, 1])
    inputs: list[Any] = [x if batch_first else x.transpose(0, 1), x[0]]
    inputs.append(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
    inputs.append(pack_padded_sequence(x, lengths.sort(descending=True).values, batch_first=True))
    for given in inputs:
        found = [results(home, kind, given, options, dtype) for home in (nn, torch.nn)]
        for ours, theirs in zip(*found, strict=True):  # another mask would change the results by about their size
            scale = max(1.0, theirs.abs().max().item())
            assert (ours - theirs).abs().max() <= 100 * torch.finfo(dtype).eps * scale


def test_reset_with_a_packed_sequence_has_masks_of_its_own() -> None:
    """torch.nn has no resets, and there the segments are the rows of a larger batch."""
    layer = nn.GRU(3, 16, 2, dropout=0.5)
    packed = pack_padded_sequence(torch.randn(9, 2, 3), torch.tensor([9, 4]))
    torch.manual_seed(0)
    first = layer(packed, reset=[(0, 3)])[0].data
    torch.manual_seed(0)
    assert torch.equal(layer(packed, reset=[(0, 3)])[0].data, first)
    assert not torch.equal(layer(packed, reset=[(0, 3)])[0].data, first)
