"""Echo state network with leaky units. Jaeger, Lukosevicius, Popovici and Siewert 2007, Neural Networks 20(3):335-352.

    h' = (1 - leak) * h + leak * tanh(W x + b + U h)

W is weight_ih (H, I), U weight_hh (H, H), b bias (H,); all are random and fixed. A fraction `density` of U is not zero, and
U is scaled so that the largest absolute value of its eigenvalues is `spectral_radius`. What is trained reads h."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import linear

from recurra.cells import Cell, Hidden, Parameter, Params, Uniform


@dataclass(frozen=True)
class EchoState(Cell):
    """Fixed random reservoir."""

    source = "Jaeger et al. 2007, Neural Networks 20(3):335-352"

    spectral_radius: float = 0.9
    leak: float = 0.5
    density: float = 0.8

    def parameters(self, input_size: int, hidden_size: int, bias: bool) -> dict[str, Parameter]:
        parameters = {
            "weight_ih": Parameter((hidden_size, input_size), Uniform(-1.0, 1.0), trainable=False),
            "weight_hh": Parameter((hidden_size, hidden_size), self._fill_reservoir, trainable=False),
        }
        if bias:
            parameters["bias"] = Parameter((hidden_size,), Uniform(-0.1, 0.1), trainable=False)
        return parameters

    def _fill_reservoir(self, weight: Tensor) -> None:
        """Fill `weight` (H, H) in place."""
        weight.uniform_(-1.0, 1.0).mul_(torch.rand_like(weight) < self.density)
        radius = torch.linalg.eigvals(weight.double()).abs().max()
        weight.mul_(self.spectral_radius / radius.clamp(min=1e-12))

    def project(self, x: Tensor, params: Params) -> Tensor:
        return linear(x, params["weight_ih"], params.get("bias"))

    def step(self, projected: Tensor, state: Hidden, params: Params) -> Hidden:
        candidate = torch.tanh(projected + linear(state.h, params["weight_hh"]))
        return Hidden((1 - self.leak) * state.h + self.leak * candidate)
