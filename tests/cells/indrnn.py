"""Independently recurrent network. Li, Li, Cook, Zhu and Gao 2018, arXiv:1803.04831.

    h' = relu(W x + b + u * h)

Each unit sees its own past alone. W is weight_ih (H, I), u weight_hh (H,), b bias (H,). u starts in U(0, 2^(1/T)), so that
a gradient neither vanishes nor grows by more than 2 over T time steps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import linear

from recurra.cells import Cell, Hidden, Parameter, Params, Uniform, uniform


@dataclass(frozen=True)
class IndRNN(Cell):
    """Recurrent weights by element; `time_steps` is the length T that the bound of u is made for."""

    source = "Li et al. 2018, arXiv:1803.04831"

    time_steps: int = 100

    def parameters(self, input_size: int, hidden_size: int, bias: bool) -> dict[str, Parameter]:
        parameters = {
            "weight_ih": Parameter((hidden_size, input_size), uniform(hidden_size)),
            "weight_hh": Parameter((hidden_size,), Uniform(0.0, 2 ** (1 / self.time_steps))),
        }
        if bias:
            parameters["bias"] = Parameter((hidden_size,), uniform(hidden_size))
        return parameters

    def project(self, x: Tensor, params: Params) -> Tensor:
        return linear(x, params["weight_ih"], params.get("bias"))

    def step(self, projected: Tensor, state: Hidden, params: Params) -> Hidden:
        return Hidden(torch.relu(projected + params["weight_hh"] * state.h))
