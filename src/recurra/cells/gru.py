"""Gated recurrent unit. Cho et al. 2014, arXiv:1406.1078, in the variant with the reset after the matmul that
cuDNN and torch.nn compute (arXiv:1406.1078v1; the later version of the paper resets before the matmul).

    r  = sigmoid(Wr x + br + Ur h + cr)      reset gate: 0 hides the past from the candidate
    z  = sigmoid(Wz x + bz + Uz h + cz)      update gate: 1 KEEPS the old state (some papers turn it round)
    n  = tanh(Wn x + bn + r * (Un h + cn))   candidate
    h' = (1 - z) * n + z * h

W is weight_ih (3H, I), U weight_hh (3H, H), b bias_ih (3H,), c bias_hh (3H,); gate order r, z, n."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import linear

from .base import Cell, Hidden, Parameter, Params, gated_parameters


@dataclass(frozen=True)
class GRU(Cell):
    """Gated recurrent unit, reset after the matmul."""

    name: ClassVar[str] = "gru"
    gates: ClassVar[tuple[str, ...]] = ("r", "z", "n")
    memory_gates: ClassVar[Mapping[str, int]] = {"z": 1}
    separate_hidden_bias: ClassVar[tuple[str, ...] | None] = ("n",)
    source: ClassVar[str] = (
        "Cho et al. 2014, Learning phrase representations using RNN encoder-decoder "
        "for statistical machine translation, arXiv:1406.1078"
    )

    def parameters(self, input_size: int, hidden_size: int, bias: bool) -> dict[str, Parameter]:
        return gated_parameters(3, input_size, hidden_size, bias)

    def project(self, x: Tensor, params: Params) -> Tensor:
        return linear(x, params["weight_ih"], params.get("bias_ih"))

    def gates_of(self, projected: Tensor, state: Hidden, params: Params) -> dict[str, Tensor]:
        hidden = linear(state.h, params["weight_hh"], params.get("bias_hh"))
        (xr, xz, xn), (hr, hz, hn) = projected.chunk(3, dim=-1), hidden.chunk(3, dim=-1)
        r = torch.sigmoid(xr + hr)
        return {"r": r, "z": torch.sigmoid(xz + hz), "n": torch.tanh(xn + r * hn)}

    def step(self, projected: Tensor, state: Hidden, params: Params) -> Hidden:
        _, z, n = self.gates_of(projected, state, params).values()
        return Hidden((1 - z) * n + z * state.h)
