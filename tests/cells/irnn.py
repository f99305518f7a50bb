"""Recurrent network of rectified linear units that starts as the identity. Le, Jaitly and Hinton 2015, arXiv:1504.00941.

    h' = relu(W x + b + U h)

W is weight_ih (H, I), U weight_hh (H, H), b bias (H,). U starts as the identity, b as 0, W in N(0, 0.001^2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import linear

from recurra.cells import Cell, Hidden, Parameter, Params


@dataclass(frozen=True)
class IRNN(Cell):
    """Identity recurrent matrix; `std` is the standard deviation of the input weights."""

    source = "Le, Jaitly and Hinton 2015, arXiv:1504.00941"

    std: float = 0.001

    def parameters(self, input_size: int, hidden_size: int, bias: bool) -> dict[str, Parameter]:
        parameters = {
            "weight_ih": Parameter((hidden_size, input_size), lambda tensor: tensor.normal_(0.0, self.std)),
            "weight_hh": Parameter((hidden_size, hidden_size), torch.nn.init.eye_),
        }
        if bias:
            parameters["bias"] = Parameter((hidden_size,), torch.nn.init.zeros_)
        return parameters

    def project(self, x: Tensor, params: Params) -> Tensor:
        return linear(x, params["weight_ih"], params.get("bias"))

    def step(self, projected: Tensor, state: Hidden, params: Params) -> Hidden:
        return Hidden(torch.relu(projected + linear(state.h, params["weight_hh"])))
