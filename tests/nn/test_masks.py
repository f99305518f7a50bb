"""`from_mask`: padding on the left and holes give what the sequences alone give."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cells_registry import every_cell, worst
from layer_helpers import made, some
from torch import Tensor

from recurra import nn
from recurra.errors import CallError

MASK = torch.tensor([[0, 0, 0, 1, 1], [1, 0, 1, 0, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]], dtype=torch.bool)


def poisoned(x: Tensor) -> Tensor:
    """The padding must not be read."""
    return torch.where(MASK[..., None], x, torch.nan)


@every_cell
@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.uint8], ids=str)
def test_a_mask_gives_what_sequences_padded_on_the_right_give(cell: Any, dtype: torch.dtype) -> None:
    layer, x = made(cell, num_layers=2, bidirectional=True), some(4, 5, 3).requires_grad_()
    batch = nn.from_mask(poisoned(x), MASK.to(dtype))
    assert batch.lengths.tolist() == [2, 3, 5, 0] and batch.x.shape == x.shape
    y, state = layer(batch.x, lengths=batch.lengths)
    y = batch.restore(y)
    (grad,) = torch.autograd.grad(y.square().sum(), [x])
    assert y.shape == (4, 5, 8) and y[~MASK].eq(0).all() and grad[~MASK].eq(0).all()
    right = torch.zeros_like(x)
    for k in range(4):
        right[k, : batch.lengths[k]] = x[k, MASK[k]]
    right = right.detach().requires_grad_()
    expected, last = layer(right, lengths=[2, 3, 5, 0])
    (expected_grad,) = torch.autograd.grad(expected.square().sum(), [right])
    assert last == state
    for k in range(4):
        assert torch.equal(y[k, MASK[k]], expected[k, : batch.lengths[k]])
        assert torch.equal(grad[k, MASK[k]], expected_grad[k, : batch.lengths[k]])


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_drop_in_layers_with_time_first(kind: Any) -> None:
    torch.manual_seed(0)
    layer, x = kind(3, 4, dtype=torch.float64), some(4, 5, 3)
    batch = nn.from_mask(x.transpose(0, 1), MASK, batch_first=False)
    y = batch.restore(layer(batch.x, lengths=batch.lengths)[0])
    assert y.shape == (5, 4, 4)
    layer.batch_first = True
    same = nn.from_mask(x, MASK)
    assert torch.equal(y.transpose(0, 1), same.restore(layer(same.x, lengths=same.lengths)[0]))


def test_right_padding_and_other_tensors() -> None:
    ids = torch.arange(20).view(4, 5)
    batch = nn.from_mask(ids, MASK)
    assert batch.x[1].tolist() == [5, 7, 9, 0, 0]
    assert torch.equal(batch.restore(batch.x), torch.where(MASK, ids, 0))
    right = torch.arange(5) < torch.tensor([5, 0, 3, 1])[:, None]
    images = torch.randn(4, 5, 2, 3)
    batch = nn.from_mask(images, right)
    assert torch.equal(batch.x, torch.where(right[..., None, None], images, 0))
    assert torch.equal(batch.restore(batch.x), batch.x)
    empty = nn.from_mask(torch.randn(0, 5, 3), torch.zeros(0, 5, dtype=torch.bool))
    assert empty.x.shape == (0, 5, 3) and empty.lengths.shape == (0,)


def test_under_compile() -> None:
    layer, x = nn.GRU(3, 4, batch_first=True), torch.randn(4, 5, 3)

    def run(x: Tensor, mask: Tensor) -> Tensor:
        batch = nn.from_mask(x, mask)
        return batch.restore(layer(batch.x, lengths=batch.lengths)[0])

    compiled = torch.compile(run, backend="aot_eager", fullgraph=True)
    assert worst(compiled(x, MASK), run(x, MASK)) <= 64 * torch.finfo(torch.float32).eps


@pytest.mark.parametrize(
    "mask, message",
    [
        (
            MASK.T,
            r"mask is torch.bool of shape \(5, 4\); expected booleans or the integers 0 and 1, \(B, T\) = \(4, 5\)",
        ),
        (MASK.float(), "mask is torch.float32"),
        (2 * MASK.long(), "mask has other values than 0 and 1"),
        (-MASK.long(), "mask has other values than 0 and 1"),
        ([[True] * 5] * 4, "mask is a list; expected a tensor"),
    ],
)
def test_other_masks_are_rejected(mask: Any, message: str) -> None:
    with pytest.raises(CallError, match=message):
        nn.from_mask(torch.randn(4, 5, 3), mask)


def test_other_inputs_are_rejected() -> None:
    with pytest.raises(CallError, match=r"x has shape \(4,\); expected \(B, T, ...\)"):
        nn.from_mask(torch.randn(4), MASK)
    with pytest.raises(CallError, match=r"y has shape \(4, 6, 3\); expected \(B, T, ...\) with \(B, T\) = \(4, 5\)"):
        nn.from_mask(torch.randn(4, 5, 3), MASK).restore(torch.randn(4, 6, 3))
