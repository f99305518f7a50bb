"""Layer-normalized long short-term memory. Ba, Kiros and Hinton 2016, arXiv:1607.06450.

    a  = N(W x) + b + N(U h) + d             two norms, each over all 4H numbers; cut into i, f, g, o
    i  = sigmoid(ai)                         input gate: 1 admits the candidate
    f  = sigmoid(af)                         forget gate: 1 keeps the cell state, 0 forgets it
    g  = tanh(ag)                            candidate
    o  = sigmoid(ao)                         output gate: 1 outputs the cell state
    c' = f * c + i * g                       the cell state that is carried on is not normalized
    h' = o * tanh(N(c') + e)                 the third norm, over the H numbers of the cell state that is output
    N(v) = gain * (v - mean(v)) / sqrt(var(v) + eps)

The norms act on the products and on c' only: no bias is normalized, and each norm has its own gain, gain_ih
(4H,), gain_hh (4H,), gain_c (H,). W is weight_ih (4H, I), U weight_hh (4H, H), b bias_ih (4H,), d bias_hh (4H,), e
bias_c (H,); gate order i, f, g, o. Gains start at 1 and biases at 0, as in the paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, linear

from ..errors import CallError
from .base import Cell, Parameter, Params, uniform
from .lstm import LSTMState


@dataclass(frozen=True)
class LayerNormLSTM(Cell):
    """Layer-normalized LSTM; `eps` is added to each variance."""

    name: ClassVar[str] = "ln_lstm"
    state_type: ClassVar[Any] = LSTMState
    gates: ClassVar[tuple[str, ...]] = ("i", "f", "g", "o")
    forget_gate: ClassVar[str | None] = "f"
    memory_gates: ClassVar[Mapping[str, int]] = {"f": 1, "i": -1}
    separate_hidden_bias: ClassVar[tuple[str, ...] | None] = ()
    source: ClassVar[str] = "Ba, Kiros and Hinton 2016, Layer normalization, arXiv:1607.06450"

    eps: float = 1e-5

    def __post_init__(self) -> None:
        check_eps(self.eps)

    def parameters(self, input_size: int, hidden_size: int, bias: bool) -> dict[str, Parameter]:
        return normed_parameters(4, input_size, hidden_size, bias, {"ih": 4, "hh": 4, "c": 1})

    def project(self, x: Tensor, params: Params) -> Tensor:
        return self._norm(linear(x, params["weight_ih"]), "ih", params)

    def gates_of(self, projected: Tensor, state: LSTMState, params: Params) -> dict[str, Tensor]:
        i, f, g, o = (projected + self._norm(linear(state.h, params["weight_hh"]), "hh", params)).chunk(4, dim=-1)
        return {"i": torch.sigmoid(i), "f": torch.sigmoid(f), "g": torch.tanh(g), "o": torch.sigmoid(o)}

    def step(self, projected: Tensor, state: LSTMState, params: Params) -> LSTMState:
        i, f, g, o = self.gates_of(projected, state, params).values()
        c = f * state.c + i * g
        return LSTMState(o * torch.tanh(self._norm(c, "c", params)), c)

    def _norm(self, v: Tensor, name: str, params: Params) -> Tensor:
        return layer_norm(v, v.shape[-1:], params[f"gain_{name}"], params.get(f"bias_{name}"), self.eps)


def check_eps(eps: float) -> None:
    """CallError unless `eps` is a number above 0."""
    if not (isinstance(eps, int | float) and eps > 0):
        raise CallError(f"eps is {eps!r}; expected a number above 0")


def normed_parameters(
    gates: int, input_size: int, hidden_size: int, bias: bool, norms: dict[str, int]
) -> dict[str, Parameter]:
    """Input and hidden weights, then a gain for each of `norms` (name: how many times H), then their biases."""
    init = uniform(hidden_size)
    parameters = {
        "weight_ih": Parameter((gates * hidden_size, input_size), init),
        "weight_hh": Parameter((gates * hidden_size, hidden_size), init),
    }
    parameters |= {f"gain_{name}": Parameter((n * hidden_size,), torch.nn.init.ones_) for name, n in norms.items()}
    if bias:
        parameters |= {f"bias_{name}": Parameter((n * hidden_size,), torch.nn.init.zeros_) for name, n in norms.items()}
    return parameters
