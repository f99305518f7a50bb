"""Initialization of recurrent layers and cells, in addition to `torch.nn.init` and the option `forget_bias`."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor

from ..errors import CallError
from .base import RecurrentBase
from .cells import CellModule
from .parameters import initial_values
from .validate import ArgumentError

Module = TypeVar("Module", bound=RecurrentBase | CellModule)


def orthogonal_per_gate_(module: Module, gain: float = 1.0, generator: torch.Generator | None = None) -> Module:
    """Fill the recurrent weights of each gate with an orthogonal matrix, in place.

    The recurrent weights `weight_hh` (G*H, H) are the matrices (H, H) of the G gates, one after the other. Each is drawn with
    `torch.nn.init.orthogonal_`, so that it does not change the norm of h. `torch.nn.init.orthogonal_` of the whole tensor,
    which is not square, makes the columns of all gates together orthonormal; then the matrix of one gate is a contraction.
    Keras does the latter for its initializer "orthogonal", Flax draws the gates separately as this function does.

    Args:
        module: a layer or a cell of recurra.nn whose cells have recurrent weights `weight_hh`. With `proj_size`, the matrix
            (H, P) of a gate has orthonormal columns.
        gain: factor of the matrices. Default: 1.
        generator: generator of random numbers. Default: None, the default generator of torch.

    Returns:
        The module.

    Raises:
        CallError: if `module` is not of recurra.nn, or a cell of it has no `weight_hh` that consists of matrices of gates.

    Reference: Saxe, McClelland and Ganguli 2014, arXiv:1312.6120.

    Example:
        >>> import torch
        >>> from recurra import nn
        >>> layer = nn.init.orthogonal_per_gate_(nn.LSTM(5, 8))
        >>> input_gate = layer.weight_hh_l0[:8]
        >>> torch.allclose(input_gate @ input_gate.mT, torch.eye(8), atol=1e-5)
        True
    """
    if isinstance(module, RecurrentBase):
        names = [(module.hidden_sizes[k], f"weight_hh{end}") for k, end in module._name_suffixes()]
    elif isinstance(module, CellModule):
        names = [(module.hidden_size, "weight_hh")]
    else:
        raise ArgumentError(f"module is a {type(module).__name__}; expected a layer or a cell from recurra.nn")
    checked = [_recurrent_weight(module, name, size) for size, name in names]
    for name, size in checked:
        with initial_values(module, {"weight": name}) as values:
            for gate in torch.split(values["weight"], size):
                torch.nn.init.orthogonal_(gate, gain, generator)
    return module


def _recurrent_weight(module: RecurrentBase | CellModule, name: str, hidden_size: int) -> tuple[str, int]:
    """Return the name of a recurrent weight (G*H, H or P) and H. Raises CallError if it is something else."""
    weight: Tensor | None = getattr(module, name, None)
    if weight is None or weight.dim() != 2 or weight.shape[0] % max(hidden_size, 1) or weight.shape[1] > hidden_size:
        found = "does not have" if weight is None else f"has the shape {tuple(weight.shape)} of"
        raise CallError(f"{type(module).__name__} {found} {name}; expected (G*H, H) with H = {hidden_size}")
    return name, hidden_size
