"""A PackedSequence in, a PackedSequence out: as torch.nn for the drop-in layers, as the padded batch for every cell."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from cells_registry import every_cell, worst
from layer_helpers import FEW, made, random_state, some
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence, pad_packed_sequence
from torch.utils._pytree import tree_leaves, tree_map

from recurra import nn
from recurra.errors import CallError

F64 = torch.float64
LENGTHS = {True: [5, 4, 4, 1], False: [4, 1, 5, 4]}


def packed(x: Tensor, is_sorted: bool, made_of_list: bool) -> PackedSequence:
    lengths = LENGTHS[is_sorted]
    if made_of_list:
        return pack_sequence([row[:n] for row, n in zip(x, lengths, strict=True)], enforce_sorted=is_sorted)
    return pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=is_sorted)


def same_form(a: PackedSequence, b: PackedSequence) -> bool:
    pairs = zip(a[1:], b[1:], strict=True)
    return all((p is None and q is None) or torch.equal(p, q) for p, q in pairs)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU", "LSTM with projection"])
@pytest.mark.parametrize("layers, bidirectional", [(1, False), (2, False), (1, True), (2, True)])
@pytest.mark.parametrize("bias", [True, False])
def test_every_combination_is_that_of_torch(kind: str, layers: int, bidirectional: bool, bias: bool) -> None:
    name, options = kind.split()[0], {"proj_size": 2} if "projection" in kind else {}
    theirs = getattr(torch.nn, name)(3, 4, layers, bias=bias, bidirectional=bidirectional, dtype=F64, **options)
    for is_sorted, made_of_list, batch_first, with_state in itertools.product([True, False], repeat=4):
        ours = getattr(nn, name)(3, 4, layers, bias=bias, batch_first=batch_first, bidirectional=bidirectional, dtype=F64,
                                 **options)  # fmt: skip
        ours.load_state_dict(theirs.state_dict())
        results = []
        for layer in (ours, theirs):
            x = some(4, 5, 3).requires_grad_()
            given, hx = packed(x, is_sorted, made_of_list), None
            if with_state:
                hx = tree_map(lambda s: torch.randn(s.shape, dtype=F64, generator=torch.Generator().manual_seed(2)),
                              theirs(given)[1])  # fmt: skip
            y, state = layer(given, hx)
            assert isinstance(y, PackedSequence) and same_form(y, given)
            outputs = [y.data, *tree_leaves(state)]
            loss = sum(part.square().sum() for part in outputs)
            results.append([*outputs, *torch.autograd.grad(loss, [x, *layer.parameters()])])
        for a, b in zip(*results, strict=True):
            assert worst(a, b) <= FEW


OPTIONS: list[dict[str, Any]] = [
    {},
    {"bidirectional": True},
    {"num_layers": 2, "bidirectional": True, "merge": "sum", "residual": False},
    {"num_layers": 2, "layer_norm": True, "zoneout": 0.2},
]


@every_cell
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("is_sorted", [True, False])
def test_packed_input_of_every_cell_is_the_padded_batch(cell: Any, options: dict[str, Any], is_sorted: bool) -> None:
    layer, x = made(cell, **options).eval(), some(4, 5, 3)
    reset = [(0, 2), (2, 3)]
    for state in (None, random_state(layer, 4)):
        for starts in (None, reset):
            given = packed(x, is_sorted, made_of_list=False)
            y, last = layer(given, state, reset=starts)
            assert isinstance(y, PackedSequence) and same_form(y, given)
            expected, expected_last = layer(x, state, lengths=LENGTHS[is_sorted], reset=starts)
            unpacked, lengths = pad_packed_sequence(y, batch_first=True)
            assert lengths.tolist() == LENGTHS[is_sorted]
            assert worst(unpacked, expected) <= FEW
            assert all(worst(last[name], expected_last[name]) <= FEW for name in last)


def test_what_does_not_fit_is_rejected() -> None:
    layer, given = made("gru"), packed(some(4, 5, 3), False, False)
    with pytest.raises(CallError, match="lengths is given for a PackedSequence"):
        layer(given, lengths=[5, 1, 1, 1])
    with pytest.raises(CallError, match=r"x has shape .*; expected .* with I = 3"):
        layer(packed(some(4, 5, 2), False, False))
    with pytest.raises(CallError, match=r"h_l0 has shape \(3, 4\)"):
        layer(given, layer.initial_state(3))
    with pytest.raises(CallError, match=r"features of shape \(\)"):
        layer(PackedSequence(torch.randn(3), torch.tensor([2, 1])))
