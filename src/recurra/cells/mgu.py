"""Minimal gated unit: one gate resets and updates. Zhou et al. 2016, arXiv:1603.09420.

    f  = sigmoid(Wf x + bf + Uf h + cf)      gate: 0 hides the past from the candidate, and keeps the old state
    n  = tanh(Wn x + bn + Un (f * h) + cn)   candidate
    h' = (1 - f) * h + f * n

W is weight_ih (2H, I), U weight_hh (2H, H), b bias_ih (2H,), c bias_hh (2H,); gate order f, n."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import linear

from .base import Cell, Hidden, Parameter, Params, gated_parameters


@dataclass(frozen=True)
class MGU(Cell):
    """Minimal gated unit."""

    name: ClassVar[str] = "mgu"
    gates: ClassVar[tuple[str, ...]] = ("f", "n")
    memory_gates: ClassVar[Mapping[str, int]] = {"f": -1}
    separate_hidden_bias: ClassVar[tuple[str, ...] | None] = ()
    source: ClassVar[str] = (
        "Zhou, Wu, Zhang and Zhou 2016, Minimal gated unit for recurrent neural networks, "
        "International Journal of Automation and Computing 13(3):226-234, arXiv:1603.09420"
    )

    def parameters(self, input_size: int, hidden_size: int, bias: bool) -> dict[str, Parameter]:
        return gated_parameters(2, input_size, hidden_size, bias)

    def project(self, x: Tensor, params: Params) -> Tensor:
        # Both biases are outside of the matrix products, so both are added here.
        bias = params["bias_ih"] + params["bias_hh"] if "bias_ih" in params else None
        return linear(x, params["weight_ih"], bias)

    def gates_of(self, projected: Tensor, state: Hidden, params: Params) -> dict[str, Tensor]:
        (xf, xn), (Uf, Un) = projected.chunk(2, dim=-1), params["weight_hh"].chunk(2)
        f = torch.sigmoid(xf + linear(state.h, Uf))
        return {"f": f, "n": torch.tanh(xn + linear(f * state.h, Un))}

    def step(self, projected: Tensor, state: Hidden, params: Params) -> Hidden:
        f, n = self.gates_of(projected, state, params).values()
        return Hidden((1 - f) * state.h + f * n)
