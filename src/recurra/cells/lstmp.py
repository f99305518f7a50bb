"""LSTM with a projected output. Sak, Senior and Beaufays 2014, arXiv:1402.1128.

    i, f, g, o, c'   as in `recurra.cells.lstm`, from the projected h
    h' = R (o * tanh(c'))                    R makes the output narrower than the cell state

The cell state c is (B, H), the output h (B, P). U is weight_hh (4H, P), R weight_hr (P, H); the rest as in the LSTM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import linear

from ..errors import CallError
from .base import Parameter, Params, uniform
from .lstm import LSTM, LSTMState


@dataclass(frozen=True)
class LSTMP(LSTM):
    """Long short-term memory cell with an output of `proj_size` features, P; 0 < P < H."""

    name: ClassVar[str] = "lstmp"
    source: ClassVar[str] = (
        "Sak, Senior and Beaufays 2014, Long short-term memory based recurrent neural network architectures "
        "for large vocabulary speech recognition, arXiv:1402.1128"
    )

    proj_size: int

    def parameters(self, input_size: int, hidden_size: int, bias: bool) -> dict[str, Parameter]:
        P, init = self.proj_size, uniform(hidden_size)
        if isinstance(P, bool) or not isinstance(P, int) or not 0 < P < hidden_size:
            raise CallError(f"proj_size is {P!r}; expected an integer above 0 and below hidden_size = {hidden_size}")
        parameters = super().parameters(input_size, hidden_size, bias)
        parameters["weight_hh"] = Parameter((4 * hidden_size, P), init)
        return parameters | {"weight_hr": Parameter((P, hidden_size), init)}

    def step(self, projected: Tensor, state: LSTMState, params: Params) -> LSTMState:
        i, f, g, o = self.gates_of(projected, state, params).values()
        c = f * state.c + i * g
        return LSTMState(linear(o * torch.tanh(c), params["weight_hr"]), c)

    def state_sizes(self, hidden_size: int) -> dict[str, int]:
        return {"h": self.proj_size, "c": hidden_size}
