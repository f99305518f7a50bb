"""Layer-normalized gated recurrent unit. Ba, Kiros and Hinton 2016, arXiv:1607.06450.

    r  = sigmoid(N(Wr x) + br + N(Ur h) + cr)      reset gate: 0 hides the past from the candidate
    z  = sigmoid(N(Wz x) + bz + N(Uz h) + cz)      update gate: 1 KEEPS the old state, as in `gru`
    n  = tanh(N(Wn x) + bn + r * (N(Un h) + cn))   candidate, reset after the matmul and its norm
    h' = (1 - z) * n + z * h
    N(v) = gain * (v - mean(v)) / sqrt(var(v) + eps)

Four norms: r and z of the input share one, over 2H numbers, n of the input has one over H; the same for the hidden
side. They act on the products only: no bias is normalized. The gains of a side are stacked in gain_ih (3H,) and
gain_hh (3H,). W is weight_ih (3H, I), U weight_hh (3H, H), b bias_ih (3H,), c bias_hh (3H,); gate order r, z, n. Gains
start at 1 and biases at 0, as in the paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, linear

from .base import Cell, Hidden, Parameter, Params
from .ln_lstm import check_eps, normed_parameters


@dataclass(frozen=True)
class LayerNormGRU(Cell):
    """Layer-normalized GRU; `eps` is added to each variance."""

    name: ClassVar[str] = "ln_gru"
    gates: ClassVar[tuple[str, ...]] = ("r", "z", "n")
    memory_gates: ClassVar[Mapping[str, int]] = {"z": 1}
    separate_hidden_bias: ClassVar[tuple[str, ...] | None] = ("n",)
    source: ClassVar[str] = "Ba, Kiros and Hinton 2016, Layer normalization, arXiv:1607.06450"

    eps: float = 1e-5

    def __post_init__(self) -> None:
        check_eps(self.eps)

    def parameters(self, input_size: int, hidden_size: int, bias: bool) -> dict[str, Parameter]:
        return normed_parameters(3, input_size, hidden_size, bias, {"ih": 3, "hh": 3})

    def project(self, x: Tensor, params: Params) -> Tensor:
        return self._norms(linear(x, params["weight_ih"]), "ih", params)

    def gates_of(self, projected: Tensor, state: Hidden, params: Params) -> dict[str, Tensor]:
        hidden = self._norms(linear(state.h, params["weight_hh"]), "hh", params)
        (xr, xz, xn), (hr, hz, hn) = projected.chunk(3, dim=-1), hidden.chunk(3, dim=-1)
        r = torch.sigmoid(xr + hr)
        return {"r": r, "z": torch.sigmoid(xz + hz), "n": torch.tanh(xn + r * hn)}

    def step(self, projected: Tensor, state: Hidden, params: Params) -> Hidden:
        _, z, n = self.gates_of(projected, state, params).values()
        return Hidden((1 - z) * n + z * state.h)

    def _norms(self, v: Tensor, side: str, params: Params) -> Tensor:
        """v (..., 3H): the norm of r and z together, then that of n."""
        H = v.shape[-1] // 3
        rz, n = v[..., : 2 * H], v[..., 2 * H :]
        v = torch.cat([layer_norm(rz, (2 * H,), eps=self.eps), layer_norm(n, (H,), eps=self.eps)], dim=-1)
        v, bias = v * params[f"gain_{side}"], params.get(f"bias_{side}")
        return v if bias is None else v + bias
