"""The number of floating-point operations in `FlopCounterMode`: the formula, and what torch counts where torch counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from cells_registry import every_operator
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from recurra import cells, nn, ops

F64 = torch.float64


def counted(run: Callable[[], Any]) -> int:
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


def products(layer: torch.nn.Module, steps: int) -> int:
    """Two operations for each number of a weight matrix, at each time step of each sequence."""
    return 2 * steps * sum(p.numel() for name, p in layer.named_parameters() if name.startswith("weight"))


def train(layer: Any, *args: Any, **kwargs: Any) -> None:
    out = [part for part in tree_leaves(layer(*args, **kwargs)) if part.requires_grad]
    sum(part.square().sum() for part in out).backward()


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("layers, bidirectional", [(1, False), (2, True)])
def test_the_number_is_that_of_torch(kind: str, layers: int, bidirectional: bool) -> None:
    """torch counts in float64 only; in float32 it calls a kernel that it does not count. It omits gradients that nobody needs,
    so that here x and the initial state have gradients."""
    ours, theirs = (getattr(m, kind)(3, 4, layers, bidirectional=bidirectional, dtype=F64) for m in (nn, torch.nn))
    x = torch.randn(5, 2, 3, dtype=F64, requires_grad=True)
    state = torch.utils._pytree.tree_map(lambda s: torch.randn_like(s, requires_grad=True), theirs(x)[1])
    with torch.no_grad():
        assert counted(lambda: ours(x)) == counted(lambda: theirs(x)) == products(ours, 10)
    assert counted(lambda: train(ours, x, state)) == counted(lambda: train(theirs, x, state)) == 3 * products(ours, 10)


@every_operator
@pytest.mark.parametrize("dtype", [torch.float32, F64], ids=str)
@pytest.mark.parametrize("backend", ["auto", *(backend.name for backend in ops.BACKENDS)])
@pytest.mark.parametrize("T", [1, 5, 20])
def test_every_backend_has_the_same_number(cell: cells.Cell, dtype: torch.dtype, backend: str, T: int) -> None:
    layer, x = nn.Recurrent(cell, 3, 4, bidirectional=True, dtype=dtype), torch.randn(2, T, 3, dtype=dtype)
    if backend != "auto" and (
        ops.BACKENDS[ops.names().index(backend) - 1].unsupported_reason(layer._call(0, x, None, ()))
    ):
        pytest.skip(f"{backend} does not run {cell}")
    layer.backend = backend
    lengths = [T, T // 2]
    for steps, given in ((2 * T, None), (sum(lengths), lengths)):
        with torch.no_grad():
            assert counted(lambda given=given: layer(x, lengths=given)) == products(layer, steps)
        assert counted(lambda given=given: train(layer, x, lengths=given)) == 3 * products(layer, steps)


def test_a_projection_and_the_names_of_modules() -> None:
    model = torch.nn.ModuleDict({"rnn": nn.LSTM(3, 6, proj_size=2)})
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model["rnn"](torch.randn(5, 2, 3))
    assert counter.get_total_flops() == products(model["rnn"], 10)
    assert counter.get_flop_counts()["LSTM"] == {torch.ops.recurra.lstmp: products(model["rnn"], 10)}


@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell"])
def test_cells_consist_of_operations_that_torch_counts(kind: str) -> None:
    cell = getattr(nn, kind)(3, 4)
    with torch.no_grad():
        assert counted(lambda: cell(torch.randn(2, 3))) == products(cell, 2)


def test_a_cell_without_an_operator_is_counted_too() -> None:
    layer = nn.Recurrent("mgu", 3, 4)
    with torch.no_grad():
        assert counted(lambda: layer(torch.randn(2, 5, 3))) > 0
