"""The simple recurrent network. Elman 1990, Finding structure in time, Cognitive Science 14(2).

    n  = tanh(Wn x + bn + Un h + cn)         or relu
    h' = n

One "gate": n, the candidate, which becomes the state as it is. W is weight_ih (H, I), U weight_hh (H, H),
b bias_ih (H,), c bias_hh (H,)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import linear

from ..errors import CallError, short
from .base import Cell, Hidden, Parameter, Params, gated_parameters

_NONLINEARITIES = {"tanh": torch.tanh, "relu": torch.relu}


@dataclass(frozen=True)
class RNN(Cell):
    """Simple recurrent cell; `nonlinearity` is "tanh" or "relu"."""

    name: ClassVar[str] = "rnn"
    gates: ClassVar[tuple[str, ...]] = ("n",)
    separate_hidden_bias: ClassVar[tuple[str, ...] | None] = ()
    source: ClassVar[str] = "Elman 1990, Finding structure in time, Cognitive Science 14(2):179-211"

    nonlinearity: str = "tanh"

    def __post_init__(self) -> None:
        if not isinstance(self.nonlinearity, str) or self.nonlinearity not in _NONLINEARITIES:
            raise CallError(f"nonlinearity is {short(self.nonlinearity)}; expected 'tanh' or 'relu'")

    def parameters(self, input_size: int, hidden_size: int, bias: bool) -> dict[str, Parameter]:
        return gated_parameters(1, input_size, hidden_size, bias)

    def project(self, x: Tensor, params: Params) -> Tensor:
        return linear(x, params["weight_ih"], params.get("bias_ih"))

    def gates_of(self, projected: Tensor, state: Hidden, params: Params) -> dict[str, Tensor]:
        hidden = linear(state.h, params["weight_hh"], params.get("bias_hh"))
        return {"n": _NONLINEARITIES[self.nonlinearity](projected + hidden)}

    def step(self, projected: Tensor, state: Hidden, params: Params) -> Hidden:
        return Hidden(self.gates_of(projected, state, params)["n"])
