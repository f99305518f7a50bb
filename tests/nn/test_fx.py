"""Layers in a torch.fx graph: one node, as those of torch.nn."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from cells_registry import every_cell
from torch import Tensor, fx

from recurra import nn
from recurra.errors import CallError


class Model(torch.nn.Module):
    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.encoder, self.head = torch.nn.ModuleList([layer]), torch.nn.Linear(4, 2)

    def forward(self, x: Tensor, lengths: Any = None) -> tuple[Tensor, Any]:
        y, state = self.encoder[0](2 * x) if lengths is None else self.encoder[0](2 * x, lengths=lengths)
        return self.head(y), state


def kinds(graph: fx.Graph) -> list[tuple[str, Any]]:
    return [(node.op, node.target) for node in graph.nodes]


def check(model: torch.nn.Module, x: Tensor, *arguments: Any) -> None:
    traced = fx.symbolic_trace(model)
    for module in (traced, copy.deepcopy(traced)):
        pairs = [torch.utils._pytree.tree_leaves(run(x, *arguments)) for run in (module, model)]
        assert all(torch.equal(a, b) for a, b in zip(*pairs, strict=True))


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_the_graph_is_that_of_the_layer_of_torch(kind: str) -> None:
    ours, theirs = Model(getattr(nn, kind)(3, 4)), Model(getattr(torch.nn, kind)(3, 4))
    graphs = [fx.symbolic_trace(model, concrete_args={"lengths": None}).graph for model in (ours, theirs)]
    assert kinds(graphs[0]) == kinds(graphs[1])
    assert ("call_module", "encoder.0") in kinds(graphs[0])
    traced = fx.symbolic_trace(ours, concrete_args={"lengths": None})
    x = torch.randn(5, 2, 3)
    assert torch.equal(traced(x, None)[0], ours(x)[0])


@every_cell
def test_recurrent_and_its_arguments(cell: Any) -> None:
    layer, x = nn.Recurrent(cell, 3, 4), torch.randn(2, 5, 3)

    class Chunks(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Tensor, lengths: Any) -> Any:
            y, state = self.layer(x, lengths=lengths)
            return y, self.layer(x, state, reset=[(0, 1)])

    check(Chunks().eval(), x, torch.tensor([5, 2]))
    graph = fx.symbolic_trace(Chunks()).graph
    assert [node.target for node in graph.nodes if node.op == "call_module"] == ["layer", "layer"]


@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell"])
def test_cells(kind: str) -> None:
    class Loop(torch.nn.Module):
        def __init__(self, cell: torch.nn.Module) -> None:
            super().__init__()
            self.cell = cell

        def forward(self, x: Tensor) -> Any:
            return self.cell(x, self.cell(x))

    models = [Loop(getattr(module, kind)(3, 4)) for module in (nn, torch.nn)]
    assert kinds(fx.symbolic_trace(models[0]).graph) == kinds(fx.symbolic_trace(models[1]).graph)
    check(models[0], torch.randn(2, 3))


@pytest.mark.parametrize("make", [lambda: nn.GRU(3, 4), lambda: nn.Recurrent("gru", 3, 4), lambda: nn.GRUCell(3, 4)])
def test_a_layer_alone_is_reported(make: Any) -> None:
    with pytest.raises(CallError, match=r"is the root of a torch\.fx trace; trace a module that contains it"):
        fx.symbolic_trace(make())
