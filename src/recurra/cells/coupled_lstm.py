"""LSTM with coupled input and forget gates: the input gate is 1 - forget gate. Greff et al. 2017,
arXiv:1503.04069 (CIFG).

    f  = sigmoid(Wf x + bf + Uf h + cf)      forget gate: 1 keeps the cell state, 0 replaces it by the candidate
    g  = tanh(Wg x + bg + Ug h + cg)         candidate
    o  = sigmoid(Wo x + bo + Uo h + co)      output gate: 1 outputs the cell state
    c' = f * c + (1 - f) * g
    h' = o * tanh(c')

W is weight_ih (3H, I), U weight_hh (3H, H), b bias_ih (3H,), c bias_hh (3H,); gate order f, g, o."""

# ONNX's LSTM with input_forget=1 computes the input gate and takes f = 1 - i; its parameters of f have no
# effect. So our f, with negated parameters, takes the place of ONNX's i.

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import linear

from .base import Cell, Parameter, Params, gated_parameters
from .lstm import LSTMState


@dataclass(frozen=True)
class CoupledLSTM(Cell):
    """LSTM whose input gate is 1 - forget gate."""

    name: ClassVar[str] = "coupled_lstm"
    state_type: ClassVar[Any] = LSTMState
    gates: ClassVar[tuple[str, ...]] = ("f", "g", "o")
    forget_gate: ClassVar[str | None] = "f"
    memory_gates: ClassVar[Mapping[str, int]] = {"f": 1}
    separate_hidden_bias: ClassVar[tuple[str, ...] | None] = ()
    source: ClassVar[str] = (
        "Greff, Srivastava, Koutník, Steunebrink and Schmidhuber 2017, LSTM: a search space odyssey, "
        "IEEE Transactions on Neural Networks and Learning Systems 28(10):2222-2232, arXiv:1503.04069"
    )

    def parameters(self, input_size: int, hidden_size: int, bias: bool) -> dict[str, Parameter]:
        return gated_parameters(3, input_size, hidden_size, bias)

    def project(self, x: Tensor, params: Params) -> Tensor:
        return linear(x, params["weight_ih"], params.get("bias_ih"))

    def gates_of(self, projected: Tensor, state: LSTMState, params: Params) -> dict[str, Tensor]:
        f, g, o = (projected + linear(state.h, params["weight_hh"], params.get("bias_hh"))).chunk(3, dim=-1)
        return {"f": torch.sigmoid(f), "g": torch.tanh(g), "o": torch.sigmoid(o)}

    def step(self, projected: Tensor, state: LSTMState, params: Params) -> LSTMState:
        f, g, o = self.gates_of(projected, state, params).values()
        c = f * state.c + (1 - f) * g
        return LSTMState(o * torch.tanh(c), c)
