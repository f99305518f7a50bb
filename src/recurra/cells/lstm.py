"""Long short-term memory. Hochreiter and Schmidhuber 1997, Neural Computation 9(8); the forget gate is of
Gers, Schmidhuber and Cummins 2000, Neural Computation 12(10).

    i  = sigmoid(Wi x + bi + Ui h + ci)      input gate: 1 admits the candidate
    f  = sigmoid(Wf x + bf + Uf h + cf)      forget gate: 1 keeps the cell state, 0 forgets it
    g  = tanh(Wg x + bg + Ug h + cg)         candidate
    o  = sigmoid(Wo x + bo + Uo h + co)      output gate: 1 outputs the cell state
    c' = f * c + i * g
    h' = o * tanh(c')

W is weight_ih (4H, I), U weight_hh (4H, H), b bias_ih (4H,), c bias_hh (4H,); gate order i, f, g, o."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear

from .base import Cell, Parameter, Params, gated_parameters


class LSTMState(NamedTuple):
    """Hidden state, which is the output, and cell state."""

    h: Tensor  # (B, H)
    c: Tensor  # (B, H)


@dataclass(frozen=True)
class LSTM(Cell):
    """Long short-term memory cell."""

    name: ClassVar[str] = "lstm"
    state_type: ClassVar[Any] = LSTMState
    gates: ClassVar[tuple[str, ...]] = ("i", "f", "g", "o")
    forget_gate: ClassVar[str | None] = "f"
    memory_gates: ClassVar[Mapping[str, int]] = {"f": 1, "i": -1}
    separate_hidden_bias: ClassVar[tuple[str, ...] | None] = ()
    source: ClassVar[str] = (
        "Hochreiter and Schmidhuber 1997, Long short-term memory, Neural Computation 9(8):1735-1780; "
        "Gers, Schmidhuber and Cummins 2000, Learning to forget, Neural Computation 12(10):2451-2471"
    )

    def parameters(self, input_size: int, hidden_size: int, bias: bool) -> dict[str, Parameter]:
        return gated_parameters(4, input_size, hidden_size, bias)

    def project(self, x: Tensor, params: Params) -> Tensor:
        return linear(x, params["weight_ih"], params.get("bias_ih"))

    def gates_of(self, projected: Tensor, state: LSTMState, params: Params) -> dict[str, Tensor]:
        i, f, g, o = (projected + linear(state.h, params["weight_hh"], params.get("bias_hh"))).chunk(4, dim=-1)
        return {"i": torch.sigmoid(i), "f": torch.sigmoid(f), "g": torch.tanh(g), "o": torch.sigmoid(o)}

    def step(self, projected: Tensor, state: LSTMState, params: Params) -> LSTMState:
        i, f, g, o = self.gates_of(projected, state, params).values()
        c = f * state.c + i * g
        return LSTMState(o * torch.tanh(c), c)
