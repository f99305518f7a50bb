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


def test_identity_is_that_of_the_paper() -> None:
    layer = nn.Recurrent(cells.RNN("relu"), 400, [50, 50], bidirectional=True, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    assert nn.init.identity_(layer, scale=0.5, generator=generator) is layer
    for name, parameter in layer.named_parameters():
        if name.startswith("weight_hh"):
            assert torch.equal(parameter, 0.5 * torch.eye(50, dtype=torch.float64))
        elif name.startswith("bias"):
            assert not parameter.any()
        else:  # the standard error of a standard deviation of n values is std / sqrt(2 n)
            assert abs(parameter.std().item() - 1e-3) <= 5 * 1e-3 / (2 * parameter.numel()) ** 0.5
    cell = nn.init.identity_(nn.RNNCell(3, 4, nonlinearity="relu"))
    h = torch.rand(2, 4)
    torch.testing.assert_close(cell(torch.zeros(2, 3), h), h)


@pytest.mark.parametrize("cell", ["rnn", "lstm", Leaky()], ids=str)
def test_identity_is_for_relu_networks(cell: Any) -> None:
    layer = nn.Recurrent(cell, 3, 4)
    before = [p.detach().clone() for p in layer.parameters()]
    with pytest.raises(CallError, match="initialization with the identity is for the cell rnn with nonlinearity relu"):
        nn.init.identity_(layer)
    assert all(torch.equal(a, b) for a, b in zip(before, layer.parameters(), strict=True))


@pytest.mark.parametrize("cell", WITH_GATES, ids=str)
def test_chrono_keeps_the_state_for_the_drawn_time(cell: cells.Cell) -> None:
    """A step without input and hidden state keeps u / (1 + u) of the cell state: sigmoid(log u), with u in [1, 99]."""
    layer = nn.Recurrent(cell, 3, 5, dtype=torch.float64)
    before = {name: p.detach().clone() for name, p in layer.named_parameters()}
    if not cell.memory_gates:
        with pytest.raises(
            CallError, match=r"sets the biases of the gates that keep the state, and RNN.* declares none"
        ):
            nn.init.chrono_(layer, 100)
        return
    assert nn.init.chrono_(layer, 100, torch.Generator().manual_seed(1)) is layer
    rows = [slice(cell.gates.index(gate) * 5, (cell.gates.index(gate) + 1) * 5) for gate in cell.memory_gates]
    for name, parameter in layer.named_parameters():
        changed = torch.zeros(len(parameter), dtype=torch.bool)
        for row in rows if name.startswith("bias") and len(parameter) == 5 * len(cell.gates) else ():
            changed[row] = True
        assert torch.equal(parameter[~changed], before[name][~changed])
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            if not name.startswith("bias"):
                parameter.zero_()
    u = torch.empty(5, dtype=torch.float64).uniform_(1, 99, generator=torch.Generator().manual_seed(1))
    keep = u / (1 + u)
    state = layer.initial_state(1).map(lambda part: torch.full_like(part, 1e-3))  # small: tanh is linear
    gates = cell.gates_of(
        cell.project(torch.zeros(1, 3, dtype=torch.float64), _params(layer)), _plain(cell, state), _params(layer)
    )
    for gate, sign in cell.memory_gates.items():
        torch.testing.assert_close(gates[gate][0], keep if sign > 0 else 1 - keep)


def _params(layer: nn.Recurrent) -> dict[str, torch.Tensor]:
    return {name.removesuffix("_l0"): p.detach() for name, p in layer.named_parameters()}


def _plain(cell: cells.Cell, state: nn.State) -> Any:
    return cell.state_type(*state.tensors().values())


def test_the_direction_of_each_memory_gate() -> None:
    """Opening a gate with sign 1 moves the new state towards the old one, with sign -1 away from it."""
    for cell in WITH_GATES:
        layer = nn.Recurrent(cell, 3, 4, dtype=torch.float64)
        for gate, sign in cell.memory_gates.items():
            if gate == "i":  # the input gate does not act on the old state
                continue
            params = _params(layer)
            state = _plain(cell, layer.initial_state(1).map(lambda part: torch.full_like(part, 0.7)))
            moved = []
            for value in (-20.0, 20.0):
                rows = slice(cell.gates.index(gate) * 4, (cell.gates.index(gate) + 1) * 4)
                bias = params["bias_ih"].clone()
                bias[rows] = value
                step = cell.step(
                    cell.project(torch.zeros(1, 3, dtype=torch.float64), params | {"bias_ih": bias}),
                    state,
                    params | {"bias_ih": bias},
                )
                moved.append((step[-1] - state[-1]).abs().max().item())
            assert (moved[1] < moved[0]) == (sign > 0), (cell, gate, moved)


def test_chrono_needs_a_bias_and_a_time() -> None:
    with pytest.raises(CallError, match=r"sets bias_ih, which LSTM.* does not have with these arguments"):
        nn.init.chrono_(nn.LSTM(3, 4, bias=False), 100)
    with pytest.raises(CallError, match="max_steps is 2; expected a finite number above 2"):
        nn.init.chrono_(nn.LSTM(3, 4), 2)
    cell = nn.init.chrono_(nn.LSTMCell(3, 4), 100)
    assert torch.equal(cell.bias_ih[:4], -cell.bias_ih[4:8]) and not cell.bias_hh[:8].any()
