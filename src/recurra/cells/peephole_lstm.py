"""LSTM with peepholes: the gates see the cell state. Gers, Schraudolph and Schmidhuber 2002, JMLR 3.

    i  = sigmoid(Wi x + bi + Ui h + ci + pi * c)      input gate: 1 admits the candidate
    f  = sigmoid(Wf x + bf + Uf h + cf + pf * c)      forget gate: 1 keeps the cell state, 0 forgets it
    g  = tanh(Wg x + bg + Ug h + cg)                  candidate; it has no peephole
    c' = f * c + i * g
    o  = sigmoid(Wo x + bo + Uo h + co + po * c')     output gate: 1 outputs the cell state; it sees the new one
    h' = o * tanh(c')

W is weight_ih (4H, I), U weight_hh (4H, H), b bias_ih (4H,), c bias_hh (4H,), gate order i, f, g, o; p is peephole
(3H,), one weight a unit, order i, f, o (ONNX: i, o, f). The gradient goes through the peepholes; the learning rule of
the paper cuts it there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import linear

from .base import Cell, Parameter, Params, gated_parameters, uniform
from .lstm import LSTMState


@dataclass(frozen=True)
class PeepholeLSTM(Cell):
    """LSTM whose gates see the cell state."""

    name: ClassVar[str] = "peephole_lstm"
    state_type: ClassVar[Any] = LSTMState
    gates: ClassVar[tuple[str, ...]] = ("i", "f", "g", "o")
    forget_gate: ClassVar[str | None] = "f"
    memory_gates: ClassVar[Mapping[str, int]] = {"f": 1, "i": -1}
    separate_hidden_bias: ClassVar[tuple[str, ...] | None] = ()
    source: ClassVar[str] = (
        "Gers, Schraudolph and Schmidhuber 2002, Learning precise timing with LSTM recurrent networks, "
        "Journal of Machine Learning Research 3:115-143"
    )

    def parameters(self, input_size: int, hidden_size: int, bias: bool) -> dict[str, Parameter]:
        peephole = Parameter((3 * hidden_size,), uniform(hidden_size), role="recurrent")
        return gated_parameters(4, input_size, hidden_size, bias) | {"peephole": peephole}

    def project(self, x: Tensor, params: Params) -> Tensor:
        return linear(x, params["weight_ih"], params.get("bias_ih"))

    def gates_of(self, projected: Tensor, state: LSTMState, params: Params) -> dict[str, Tensor]:
        i, f, g, o = (projected + linear(state.h, params["weight_hh"], params.get("bias_hh"))).chunk(4, dim=-1)
        pi, pf, po = params["peephole"].chunk(3)
        i, f, g = torch.sigmoid(i + pi * state.c), torch.sigmoid(f + pf * state.c), torch.tanh(g)
        return {"i": i, "f": f, "g": g, "o": torch.sigmoid(o + po * _cell_state(i, f, g, state.c))}

    def step(self, projected: Tensor, state: LSTMState, params: Params) -> LSTMState:
        i, f, g, o = self.gates_of(projected, state, params).values()
        c = _cell_state(i, f, g, state.c)
        return LSTMState(o * torch.tanh(c), c)


def _cell_state(i: Tensor, f: Tensor, g: Tensor, c: Tensor) -> Tensor:
    return f * c + i * g
