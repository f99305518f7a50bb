"""Rows that start anew in mid-sequence are their pieces, each a row of its own."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import pytest
import torch
from cells_registry import every_cell, worst
from layer_helpers import FEW, made, random_state, some
from torch import Tensor

from recurra import cells, nn
from recurra.errors import CallError

STARTS = [(0, 3), (0, 7), (1, 0), (2, 0), (2, 1), (2, 8), (3, 5), (4, 2), (5, 0)]
LENGTHS = [9, 9, 8, 5, 0, 1]  # the starts (2, 8), (3, 5), (4, 2) and (5, 0)'s row of one step test the ends


def whole(layer: nn.Recurrent, x: Tensor, first: nn.State | None) -> tuple[Tensor, nn.State, Tensor]:
    y, last = layer(x, first, lengths=LENGTHS, reset=STARTS)
    loss = y.cos().sum() - (y.shape[1] * 6 - sum(LENGTHS)) * y.shape[2]  # cos(0) is 1 in the padding
    return y, last, loss + torch.stack([part.sin().sum() for part in last.tensors().values()]).sum()


def rounding(layer: nn.Recurrent, x: Tensor, first: nn.State | None) -> float:
    """What rounding does to this layer, seen in its gradients in float32: a norm over a state near zero magnifies it."""
    grads = []
    for dtype in (torch.float64, torch.float32):
        other, a = copy.deepcopy(layer).to(dtype), x.detach().to(dtype).requires_grad_()
        b = None if first is None else first.detach().to(dtype).map(Tensor.requires_grad_)
        inputs = [a, *other.parameters(), *(b.tensors().values() if b is not None else ())]
        grads.append(torch.autograd.grad(whole(other, a, b)[2], inputs))
    off = max(worst(low.double(), high) / max(1.0, high.abs().max().item()) for high, low in zip(*grads, strict=True))
    return off * torch.finfo(torch.float64).eps / torch.finfo(torch.float32).eps


@every_cell
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("given", [False, True])
def test_a_reset_sequence_equals_its_segments(cell: cells.Cell, bidirectional: bool, given: bool) -> None:
    """Values, last state and every gradient."""
    layer = made(cell, num_layers=2, bidirectional=bidirectional)
    first = random_state(layer, 6).map(lambda part: part.requires_grad_()) if given else None
    x = some(6, 9, 3).requires_grad_()
    inputs = [x, *layer.parameters(), *(first.tensors().values() if first is not None else ())]
    y, last, loss = whole(layer, x, first)
    allowed = FEW + 8 * rounding(layer, x, first)
    total = torch.zeros((), dtype=torch.float64)
    zero = layer.initial_state(1)
    for row, length in enumerate(LENGTHS):
        cuts = sorted({0, length, *(step for b, step in STARTS if b == row and step < length)})
        spans = list(pairwise(cuts)) or [(0, 0)]
        ends: dict[str, Tensor] = {}
        for n, (start, stop) in enumerate(spans):
            begin = zero.tensors()
            for name in begin:
                reverse = name.endswith("_reverse")
                anew = (row, 0) in STARTS and length > 0 and not reverse
                if first is not None and n == (len(spans) - 1 if reverse else 0) and not anew:
                    begin[name] = first[name][row : row + 1]
            piece, end = layer(x[row : row + 1, start:stop], nn.State(begin))
            assert worst(y[row : row + 1, start:stop], piece) <= allowed
            total = total + piece.cos().sum()
            for name, part in end.tensors().items():
                if n == (0 if name.endswith("_reverse") else len(spans) - 1):
                    ends[name] = part
        for name, part in ends.items():
            assert worst(last[name][row : row + 1], part) <= allowed, (row, name)
            total = total + part.sin().sum()
        assert y[row, length:].eq(0).all()
    ours, theirs = torch.autograd.grad(loss, inputs), torch.autograd.grad(total, inputs)
    assert all(worst(a, b) <= allowed * max(1.0, b.abs().max().item()) for a, b in zip(ours, theirs, strict=True))


def test_reset_as_booleans_and_in_every_layout() -> None:
    where = torch.zeros(6, 9, dtype=torch.bool)
    for row, step in STARTS:
        where[row, step] = True
    layer, x = made("gru"), some(6, 9, 3)
    y, _ = layer(x, lengths=LENGTHS, reset=STARTS)
    assert torch.equal(layer(x, lengths=torch.tensor(LENGTHS), reset=where)[0], y)
    assert torch.equal(layer(x, reset=where & False)[0], layer(x)[0])
    for batch_first in (False, True):
        dropin = nn.GRU(3, 4, batch_first=batch_first, dtype=torch.float64)
        dropin.load_state_dict(layer.state_dict())
        rows = x if batch_first else x.transpose(0, 1)
        z, _ = dropin(rows, lengths=LENGTHS, reset=where)
        assert worst(z if batch_first else z.transpose(0, 1), y) <= FEW
    # Rows of a PackedSequence are counted as its maker counts them, not as it holds them.
    keep = [5, 3, 0]
    lengths = torch.tensor(LENGTHS)[keep]
    packed = torch.nn.utils.rnn.pack_padded_sequence(x[keep], lengths, batch_first=True, enforce_sorted=False)
    padded, _ = torch.nn.utils.rnn.pad_packed_sequence(dropin(packed, reset=where[keep])[0], batch_first=True)
    assert worst(padded, y[keep]) <= FEW


def test_a_reset_removes_a_state_that_is_not_finite() -> None:
    layer, x = made(), some(2, 4, 3).requires_grad_()
    bad = layer.initial_state(2).map(lambda part: torch.full_like(part, torch.nan))
    y, last = layer(x, bad, reset=[(0, 0), (1, 0)])
    (grad,) = torch.autograd.grad(y.sum() + last["c_l0"].sum(), x)
    assert all(t.isfinite().all() for t in (y, grad, *last.tensors().values()))


BAD_RESETS = [
    ([(0, -1)], r"reset has step -1 in \(0, -1\); expected 0 <= step < T = 4"),
    ([(1, 2), (0, 4)], r"reset has step 4 in \(0, 4\); expected 0 <= step < T = 4"),
    ([(2, 0)], r"reset has sequence 2 in \(2, 0\); expected 0 <= sequence < B = 2"),
    ([(-1, 0)], "reset has sequence -1"),
    ([(0, 1, 2)], r"reset has \(0, 1, 2\); expected pairs \(sequence, step\) of integers"),
    ([(0, 1.0)], r"reset has \(0, 1.0\); expected pairs"),
    (3, "reset has 3; expected pairs"),
    ([[False, True], [False, False]], r"reset has \[False, True\]; expected pairs"),
    (
        torch.zeros(4, 2, dtype=torch.bool),
        r"reset is torch.bool of shape \(4, 2\); expected torch.bool, \(B, T\) = \(2, 4\)",
    ),
    (torch.zeros(2, 4), "reset is torch.float32 of shape"),
]


@pytest.mark.parametrize(("reset", "says"), BAD_RESETS, ids=[says for _, says in BAD_RESETS])
def test_an_invalid_reset_reports_what_was_expected(reset: Any, says: str) -> None:
    for layer in (made(), nn.LSTM(3, 4, batch_first=True, dtype=torch.float64)):
        with pytest.raises(CallError, match=says) as caught:
            layer(some(2, 4, 3), reset=reset)
        assert "\n" not in str(caught.value)


def test_reset_cannot_be_traced() -> None:
    with pytest.raises(CallError, match=r"not supported under torch\.compile"):
        torch.export.export(made(), (some(2, 4, 3),), {"reset": torch.zeros(2, 4, dtype=torch.bool)})
