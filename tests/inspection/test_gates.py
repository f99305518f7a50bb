"""`gates`: saturation, dead and constant units, and time constants whose values are known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from inspection_helpers import drawn, made

from recurra import inspection, nn
from recurra.errors import CallError


def with_constant_gates(cell: str, gate: str, logits: Any) -> nn.Recurrent:
    """A layer whose weights are zero and whose gate has given logits, one for each unit."""
    layer = nn.Recurrent(cell, 3, len(logits), dtype=torch.float64)
    at = layer.cell.gates.index(gate) * len(logits)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.bias_ih_l0[at : at + len(logits)] = torch.tensor(logits, dtype=torch.float64)
    return layer


# the fraction that a step keeps for logits a: f of an LSTM and z of a GRU are sigmoid(a), 1 - f of an MGU is sigmoid(-a)
KEEPS = [("lstm", "f", "c", 1), ("peephole_lstm", "f", "c", 1), ("coupled_lstm", "f", "c", 1), ("gru", "z", "h", 1),
         ("gru_before", "z", "h", 1), ("gru_textbook", "z", "h", -1), ("mgu", "f", "h", -1)]  # fmt: skip


@pytest.mark.parametrize(("cell", "gate", "state", "sign"), KEEPS)
def test_time_constants_of_every_gated_cell(cell: str, gate: str, state: str, sign: int) -> None:
    logits = [0.0, 3.0, -1.0]
    found = inspection.gates(with_constant_gates(cell, gate, logits), drawn(2, 5, 3))
    expected = [-1 / math.log(1 / (1 + math.exp(-sign * a))) for a in logits]
    order = np.argsort(expected)[::-1]
    assert found.time_constants[f"l0.forward.{state}"] == pytest.approx(np.array(expected)[order], rel=1e-9)
    assert found.units[f"l0.forward.{state}"].tolist() == order.tolist()
    assert list(found.time_constants) == [f"l0.forward.{state}"]


def test_the_time_constant_is_that_of_the_mean_logarithm() -> None:
    layer, x = made("lstm"), drawn(2, 9, 3)
    found, f = inspection.gates(layer, x, [9, 4]), inspection.record(layer, x, [9, 4]).gates["l0.forward.f"]
    logs = np.log(np.concatenate([f[0], f[1, :4]])).mean(0)
    assert found.time_constants["l0.forward.c"] == pytest.approx(np.sort(-1 / logs)[::-1])


def test_saturation_counts_valid_steps_only() -> None:
    layer = with_constant_gates("lstm", "f", [5.0, -5.0, 0.0])
    found = inspection.gates(layer, drawn(3, 6, 3), [6, 2, 1])
    assert found.high["l0.forward.f"].tolist() == [1, 0, 0]
    assert found.low["l0.forward.f"].tolist() == [0, 1, 0]
    assert found.mean["l0.forward.f"] == pytest.approx(1 / (1 + np.exp([-5.0, 5.0, 0.0])))
    assert found.constant["l0.forward.h"].all()


def test_dead_units() -> None:
    layer = nn.RNN(3, 4, nonlinearity="relu", batch_first=True)
    with torch.no_grad():
        layer.bias_ih_l0[1] = -1000
    found = inspection.gates(layer, torch.randn(5, 20, 3))
    assert found.dead["l0.forward.h"][1]
    assert found.dead["l0.forward.h"].sum() < 4
    assert found.time_constants == {}


def test_errors() -> None:
    with pytest.raises(CallError, match="no valid time step"):
        inspection.gates(made("gru"), drawn(1, 4, 3), [0])
