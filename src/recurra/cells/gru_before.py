"""Gated recurrent unit with the reset before the matmul. Cho et al. 2014, arXiv:1406.1078v3; ONNX's GRU with
linear_before_reset=0, Keras' with reset_after=False.

    r  = sigmoid(Wr x + br + Ur h + cr)      reset gate: 0 hides the past from the candidate
    z  = sigmoid(Wz x + bz + Uz h + cz)      update gate: 1 KEEPS the old state
    n  = tanh(Wn x + bn + Un (r * h) + cn)   candidate
    h' = (1 - z) * n + z * h

W is weight_ih (3H, I), U weight_hh (3H, H), b bias_ih (3H,), c bias_hh (3H,); gate order r, z, n. `gru` resets after
the matmul, which no change of parameters converts to this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import linear

from .base import Cell, Hidden, Parameter, Params, gated_parameters


@dataclass(frozen=True)
class GRUBefore(Cell):
    """Gated recurrent unit, reset before the matmul."""

    name: ClassVar[str] = "gru_before"
    gates: ClassVar[tuple[str, ...]] = ("r", "z", "n")
    memory_gates: ClassVar[Mapping[str, int]] = {"z": 1}
    separate_hidden_bias: ClassVar[tuple[str, ...] | None] = ()
    source: ClassVar[str] = (
        "Cho et al. 2014, Learning phrase representations using RNN encoder-decoder "
        "for statistical machine translation, arXiv:1406.1078v3"
    )

    def parameters(self, input_size: int, hidden_size: int, bias: bool) -> dict[str, Parameter]:
        return gated_parameters(3, input_size, hidden_size, bias)

    def project(self, x: Tensor, params: Params) -> Tensor:
        # Both biases of every gate are outside of the matrix products, so both are added here.
        bias = params["bias_ih"] + params["bias_hh"] if "bias_ih" in params else None
        return linear(x, params["weight_ih"], bias)

    def gates_of(self, projected: Tensor, state: Hidden, params: Params) -> dict[str, Tensor]:
        H = state.h.shape[-1]
        U_rz, U_n = params["weight_hh"].tensor_split([2 * H])
        xr, xz, xn = projected.chunk(3, dim=-1)
        hr, hz = linear(state.h, U_rz).chunk(2, dim=-1)
        r = torch.sigmoid(xr + hr)
        return {"r": r, "z": torch.sigmoid(xz + hz), "n": torch.tanh(xn + linear(r * state.h, U_n))}

    def step(self, projected: Tensor, state: Hidden, params: Params) -> Hidden:
        _, z, n = self.gates_of(projected, state, params).values()
        return Hidden((1 - z) * n + z * state.h)
