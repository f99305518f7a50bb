"""Layers and states that the tests of inspection share."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import torch
from cells_registry import CELLS
from torch import Tensor

from recurra import bptt, nn
from recurra.cells.lstmp import LSTMP

EVERY_CELL = [*CELLS, LSTMP(3)]
OPTIONS: dict[str, dict[str, Any]] = {
    "two layers": {"num_layers": 2},
    "zoneout": {"zoneout": 0.2},
    "layer norm": {"num_layers": 2, "layer_norm": True},
    "learned state": {"learned_state": True},
}
BY_HAND = {"rnn": bptt.RNN(), "lstm": bptt.LSTM(), "gru": bptt.GRU()}


def made(cell: Any, **options: Any) -> nn.Recurrent:
    """A layer in float64 with 3 input features and 5 hidden ones; a learned state is not zero."""
    torch.manual_seed(0)
    if getattr(cell, "has_initial_state", False):
        options.pop("learned_state", None)
    layer = nn.Recurrent(cell, 3, 5, dtype=torch.float64, **options)
    with torch.no_grad():
        for name in layer._learned_names:
            getattr(layer, name).uniform_(-0.5, 0.5)
    return layer


def drawn(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def numpy_params(layer: nn.Recurrent) -> dict[str, Any]:
    return {name.removesuffix("_l0"): p.detach().numpy() for name, p in layer.named_parameters()}


def step_of(layer: nn.Recurrent) -> Any:
    """(state (N,), x (I,)) -> state (N,), by a call of the layer with one time step."""
    layer = copy.deepcopy(layer).eval()
    sizes = [size for _, size in layer._state_shapes(1).values()]

    def step(state: Tensor, x: Tensor) -> Tensor:
        parts = [part[None] for part in state.split(sizes)]
        with torch.no_grad():
            after = layer(x[None, None], nn.State(dict(zip(layer._state_names, parts, strict=True))))[1]
        return torch.cat([part[0] for part in after.tensors().values()])

    return step, sum(sizes)


def gaussian_rnn(size: int, gain: float, seed: int = 0) -> tuple[nn.Recurrent, float]:
    """A tanh network without input, of random weights of a gain, and the spectral radius of the matrix at gain 1."""
    matrix = drawn(size, size, seed=seed) / math.sqrt(size)
    layer = nn.Recurrent("rnn", 1, size, bias=False, dtype=torch.float64)
    with torch.no_grad():
        layer.weight_hh_l0.copy_(gain * matrix)
    return layer, float(np.abs(np.linalg.eigvals(matrix.numpy())).max())
