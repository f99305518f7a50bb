"""Small layers, inputs and states, and the tolerance that the tests of layer options share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from recurra import nn

EPS = torch.finfo(torch.float64).eps
FEW = 64 * EPS  # sums of some tens of terms of size one, in another order


def made(cell: Any = "lstm", I: int = 3, H: int = 4, seed: int = 0, **options: Any) -> nn.Recurrent:
    torch.manual_seed(seed)
    return nn.Recurrent(cell, I, H, **({"dtype": torch.float64} | options))


def some(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def random_state(layer: nn.Recurrent, B: int) -> nn.State:
    torch.manual_seed(5)
    return layer.initial_state(B).map(lambda part: (torch.rand_like(part) - 0.5).detach())
