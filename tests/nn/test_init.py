"""Orthogonal recurrent weights, one matrix for each gate."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cells_registry import CELLS, Leaky, worst
from torch.nn.utils import parametrizations

from recurra import cells, nn
from recurra.errors import CallError

WITH_GATES = [cell for cell in CELLS if type(cell).__module__.startswith("recurra.")]
FEW = 1024 * torch.finfo(torch.float64).eps  # a QR decomposition of some units


def assert_orthogonal(weight: torch.Tensor, size: int, gain: float = 1.0) -> None:
    for gate in weight.detach().split(size):
        assert worst(gate.mT @ gate, gain**2 * torch.eye(gate.shape[1], dtype=gate.dtype)) <= FEW


@pytest.mark.parametrize("cell", WITH_GATES, ids=str)
def test_every_gate_of_every_layer_is_orthogonal(cell: cells.Cell) -> None:
    layer = nn.Recurrent(cell, 3, [6, 5], bidirectional=True, dtype=torch.float64)
    before = {name: p.detach().clone() for name, p in layer.named_parameters()}
    assert nn.init.orthogonal_per_gate_(layer, gain=0.5) is layer
    for name, parameter in layer.named_parameters():
        if name.startswith("weight_hh"):
            assert_orthogonal(parameter, 6 if "l0" in name else 5, 0.5)
            assert len(parameter) == len(cell.gates) * (6 if "l0" in name else 5)
        else:
            assert torch.equal(parameter, before[name])


@pytest.mark.parametrize(
    "module",
    [
        nn.RNN(3, 6, dtype=torch.float64),
        nn.LSTM(3, 6, num_layers=2, proj_size=4, dtype=torch.float64),
        nn.GRU(3, 6, bidirectional=True, dtype=torch.float64),
        nn.RNNCell(3, 6, dtype=torch.float64),
        nn.LSTMCell(3, 6, dtype=torch.float64),
        nn.GRUCell(3, 6, bias=False, dtype=torch.float64),
        parametrizations.weight_norm(nn.GRUCell(3, 6, dtype=torch.float64), "weight_hh"),
    ],
    ids=lambda module: type(module).__name__,
)
def test_drop_in_layers_and_cells(module: Any) -> None:
    weights = [name for name in dir(module) if name.startswith("weight_hh")]
    nn.init.orthogonal_per_gate_(module, generator=torch.Generator().manual_seed(3))
    first = [getattr(module, name).detach().clone() for name in weights]
    assert weights
    for weight in first:
        assert_orthogonal(weight, 6)
    nn.init.orthogonal_per_gate_(module, generator=torch.Generator().manual_seed(3))
    assert all(torch.equal(getattr(module, name), weight) for name, weight in zip(weights, first, strict=True))


def test_other_modules_are_rejected_and_not_changed() -> None:
    with pytest.raises(CallError, match=r"module is a LSTM; expected a layer or a cell from recurra\.nn"):
        nn.init.orthogonal_per_gate_(torch.nn.LSTM(3, 4))  # type: ignore[type-var]
    layer = nn.Recurrent(["lstm", Leaky()], 3, [4, 4])
    before = layer.weight_hh_l0.detach().clone()
    with pytest.raises(CallError, match=r"Recurrent does not have weight_hh_l1; expected \(G\*H, H\) with H = 4"):
        nn.init.orthogonal_per_gate_(layer)
    assert torch.equal(layer.weight_hh_l0, before)
