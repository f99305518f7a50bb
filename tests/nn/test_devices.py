"""Devices and the types of lengths, resets and indices: every layer, with another default device, and changed in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from cells_registry import CELLS, worst
from layer_helpers import FEW, made, some
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence
from torch.utils._pytree import tree_leaves

from recurra import nn, ops
from recurra.errors import CallError
from recurra.nn.attention import RULES, attention
from recurra.nn.pooling import POOLINGS
from recurra.ops.native import loader

F64 = torch.float64
LAYERS: dict[str, Callable[..., Any]] = {
    **{str(cell): lambda cell=cell, **o: made(cell, num_layers=2, bidirectional=True, **o) for cell in CELLS},
    "RNN": lambda **o: nn.RNN(3, 4, batch_first=True, dtype=F64, **o),
    "LSTM": lambda **o: nn.LSTM(3, 4, batch_first=True, bidirectional=True, proj_size=2, dtype=F64, **o),
    "GRU": lambda **o: nn.GRU(3, 4, num_layers=2, batch_first=True, learned_state=True, dtype=F64, **o),
    "Recurrent with layer_norm": lambda **o: made("lstm", num_layers=2, layer_norm=True, zoneout=0.2, **o),
}
every_layer = pytest.mark.parametrize("name", LAYERS)
LENGTHS = [5, 0, 2]


@contextmanager
def default_device(device: str) -> Iterator[None]:
    """A device other than that of the layer, as in a program for a GPU whose layer stays on the CPU."""
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_device(None)


def with_grads(leaves: list[Tensor], run: Callable[[], Any]) -> list[Tensor]:
    out = [part for part in tree_leaves(run()) if isinstance(part, Tensor) and part.is_floating_point()]
    grads = torch.autograd.grad(sum(part.square().sum() for part in out), leaves, retain_graph=True, allow_unused=True)
    return [*out, *(grad for grad in grads if grad is not None)]


@every_layer
def test_the_default_device_does_not_matter(name: str) -> None:
    layer, x = LAYERS[name]().eval(), some(3, 5, 3).requires_grad_()
    mask = torch.arange(5) < torch.tensor(LENGTHS)[:, None]
    runs: list[Callable[[], Any]] = [
        lambda: layer(x, lengths=LENGTHS),
        lambda: layer(x, lengths=torch.tensor(LENGTHS, device="cpu")),
        lambda: layer(x, lengths=LENGTHS, reset=[(0, 2), (2, 1)]),
        lambda: layer(x, reset=mask),
        lambda: layer(x, lengths=[5, 5, 5]),
        lambda: layer(x),
    ]
    if "Recurrent" in name or not hasattr(layer, "mode"):
        runs.append(lambda: layer(x, layer.initial_state(3)))
    else:
        packed = pack_padded_sequence(x, torch.tensor([5, 1, 2]), batch_first=True, enforce_sorted=False)
        runs += [lambda: layer(packed), lambda: layer(packed, reset=[(0, 2)])]
    for run in runs:
        expected = with_grads([x, *layer.parameters()], run)
        with default_device("meta"):
            actual = with_grads([x, *layer.parameters()], run)
            assert str(layer.plan(x, LENGTHS))
        for a, b in zip(actual, expected, strict=True):
            assert a.device == b.device and worst(a, b) <= FEW


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn"])
def test_parts_beside_the_layers_ignore_the_default_device(name: str) -> None:
    layer, x = nn.Recurrent(name, 3, 4), torch.randn(2, 5, 3)
    state = layer.initial_state(2)
    rules = [attention(rule, 4, 4, 5) for rule in RULES]
    pools = [rule(4) for rule in POOLINGS.values()]
    with default_device("meta"):
        y, _ = layer(x, lengths=[5, 2])
        for pool in pools:
            assert pool(y, torch.tensor([5, 2], device="cpu")).device.type == "cpu"
            assert pool.result(pool.push(y, None, None)).device.type == "cpu"
        assert state.reset([1]).rows([0, 1]) == state
        if loader.load()[0] is not None:
            stepper = nn.Stepper(layer, streams=2)
            stepper.x = x[:, 0]
            stepper()
            stepper.reset([1])
            assert stepper.y.device.type == "cpu"
        for rule in rules:
            context, _ = rule(y, rule.make_memory(y))
            assert context.device.type == "cpu"


# lengths -------------------------------------------------------------------------------------------------------------
@every_layer
@pytest.mark.parametrize("backend", ["auto", *(backend.name for backend in ops.BACKENDS)])
def test_lengths_may_change_before_the_backward_pass(name: str, backend: str) -> None:
    try:
        layer, x = LAYERS[name](backend=backend).eval(), some(3, 5, 3).requires_grad_()
        layer(x, lengths=LENGTHS)
    except CallError:
        pytest.skip(f"{backend} does not run {name}")
    for dtype in (torch.int64, torch.int32):
        grads = []
        for changed in (False, True):
            lengths = torch.tensor(LENGTHS, dtype=dtype)
            y = tree_leaves(layer(x, lengths=lengths))
            if changed:
                lengths.fill_(1)
            loss = sum(part.square().sum() for part in y)
            grads.append(torch.autograd.grad(loss, [x, *layer.parameters()], allow_unused=True))
        for a, b in zip(*grads, strict=True):
            assert (a is None and b is None) or worst(a, b) == 0


@every_layer
def test_an_empty_batch_has_an_empty_list_of_lengths(name: str) -> None:
    layer = LAYERS[name]()
    for x in (some(0, 5, 3), some(0, 0, 3)):
        expected = tree_leaves(layer(x))
        for lengths in ([], (), torch.zeros(0, dtype=torch.int64), np.zeros(0, dtype=np.int64)):
            for a, b in zip(tree_leaves(layer(x, lengths=lengths)), expected, strict=True):
                assert a.shape == b.shape
    with pytest.raises(CallError, match=r"lengths has shape \(0,\); expected \(B,\) with B = 3"):
        layer(some(3, 5, 3), lengths=[])


INTEGERS = [getattr(torch, f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)]


@every_layer
def test_every_type_of_integer_is_a_length(name: str) -> None:
    layer, x = LAYERS[name]().eval(), some(3, 5, 3)
    expected = tree_leaves(layer(x, lengths=LENGTHS))
    given: list[Any] = [torch.tensor(LENGTHS).to(dtype) for dtype in INTEGERS]
    given += [tuple(LENGTHS), np.array(LENGTHS, dtype=np.uint8), [torch.tensor(n) for n in LENGTHS]]
    given += [torch.tensor([5, 9, 0, 9, 2])[::2], torch.tensor(LENGTHS)[:, None].expand(3, 2)[:, 0]]
    for lengths in given:
        for a, b in zip(tree_leaves(layer(x, lengths=lengths)), expected, strict=True):
            assert worst(a, b) == 0
    for dtype in INTEGERS:
        with pytest.raises(CallError, match=r"lengths has 6 in row 1; expected 0 <= length <= T = 5"):
            layer(x, lengths=torch.tensor([5, 6, 1]).to(dtype))


@every_layer
@pytest.mark.parametrize(
    "lengths, message",
    [
        (torch.tensor([True, False, True]), "like a mask.*recurra.nn.from_mask"),
        ([True, False, True], "like a mask.*recurra.nn.from_mask"),
        (torch.ones(3, 5, dtype=torch.bool), r"lengths is torch.bool of shape \(3, 5\), like a mask"),
        (torch.ones(3, 5, dtype=torch.int64), r"lengths is torch.int64 of shape \(3, 5\), like a mask"),
        (torch.ones(3, 4, dtype=torch.int64), r"lengths has shape \(3, 4\); expected \(B,\) with B = 3"),
        (torch.tensor(LENGTHS).to_sparse(), "lengths has the layout torch.sparse_coo; expected a dense tensor"),
        (torch.tensor([5.0, 0.0, 2.0]), "lengths is torch.float32; expected integers"),
        ([5.0, 0.0, 2.0], "lengths is torch.float32; expected integers"),
        (torch.tensor(LENGTHS, device="meta"), "lengths is on meta, which has no values, and x is on cpu"),
        ("abc", "lengths is 'abc'; expected integers"),
        (3, r"lengths has shape \(\); expected \(B,\)"),
        ([5, None, 2], "lengths is .*None.*; expected integers"),
        ([-1, 0, 2], "lengths has -1 in row 0"),
    ],
)
def test_other_lengths_are_rejected(name: str, lengths: Any, message: str) -> None:
    layer, x = LAYERS[name](), some(3, 5, 3)
    with pytest.raises(CallError, match=message):
        layer(x, lengths=lengths)


@every_layer
def test_tensors_on_two_devices_are_rejected(name: str) -> None:
    layer, x = LAYERS[name](), some(3, 5, 3)
    with pytest.raises(CallError, match="x is on meta and the layer is on cpu; move one of them"):
        layer(x.to("meta"))
    state = layer(x)[1]
    moved = (
        state.to("meta") if isinstance(state, nn.State) else torch.utils._pytree.tree_map(lambda s: s.to("meta"), state)
    )
    with torch.no_grad(), pytest.raises(CallError, match="is on meta and the layer is on cpu; move one of them"):
        layer(x, moved)


@pytest.mark.parametrize("cell", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
def test_a_cell_and_its_input_are_on_one_device(cell: Any) -> None:
    with pytest.raises(CallError, match="input is on meta and the layer is on cpu"):
        cell(3, 4)(torch.zeros(2, 3, device="meta"))
    made_on_cpu = cell(3, 4)
    with default_device("meta"):
        assert tree_leaves(made_on_cpu(torch.zeros(2, 3, device="cpu")))[0].device.type == "cpu"
