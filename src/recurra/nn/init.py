"""Initialization of recurrent layers and cells, in addition to `torch.nn.init` and the option `forget_bias`."""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import Tensor

from ..errors import CallError
from .base import RecurrentBase
from .cell_parameters import cells_in
from .cells import CellModule
from .parameters import initial_values
from .validate import ArgumentError

Module = TypeVar("Module", bound=RecurrentBase | CellModule)
ModuleT = TypeVar("ModuleT", bound=torch.nn.Module)


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


def identity_(
    module: ModuleT, scale: float = 1.0, input_std: float = 1e-3, generator: torch.Generator | None = None
) -> ModuleT:
    """Fill the recurrent weights of ReLU networks with the identity, their input weights with N(0, input_std^2), in place.

    The biases become 0. Then a step without input keeps the state, and the gradient through time neither vanishes nor explodes
    while units are active.

    Args:
        module: a layer or a cell of recurra.nn, or a module that contains some. Their cells must be `rnn` with ReLU: one
            recurrent matrix, without gates.
        scale: factor of the identity. Below 1 the state decays. Default: 1.
        input_std: standard deviation of the input weights. Default: 0.001, as in the paper.
        generator: generator of random numbers. Default: None, the default generator of torch.

    Returns:
        The module.

    Raises:
        CallError: if `module` contains no layer or cell of recurra.nn, or one with another cell.

    Reference: Le, Jaitly and Hinton 2015, arXiv:1504.00941.

    Example:
        >>> from recurra import nn
        >>> layer = nn.init.identity_(nn.RNN(5, 2, nonlinearity="relu"))
        >>> layer.weight_hh_l0.tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    found = cells_in(module)
    for one in found:
        if getattr(one.cell, "nonlinearity", None) != "relu" or one.recurrent_matrices()[0][1] != 1:
            raise CallError(
                f"initialization with the identity is for the cell rnn with nonlinearity relu, and a cell is {one.cell}"
            )
    for one in found:
        with initial_values(one.module, {name: name for name in one.names.values()}) as values:
            for name in one.with_role("recurrent"):
                torch.nn.init.eye_(values[name]).mul_(scale)
            for name in one.with_role("input"):
                values[name].normal_(0.0, input_std, generator=generator)
            for name in one.with_role("bias"):
                values[name].zero_()
    return module


def chrono_(module: ModuleT, max_steps: float, generator: torch.Generator | None = None) -> ModuleT:
    """Fill the biases of the gates that keep the state, so that each unit forgets after 1 to `max_steps` time steps, in place.

        b_f = log(u), b_i = -b_f,    u drawn from U(1, max_steps - 1) for each unit

    A forget gate with the bias log(u) keeps u / (1 + u) of the state in a step without input. `memory_gates` of the cell are
    the gates and their directions: f and i of an LSTM, z of a GRU, where z = 1 keeps the state. All other parameters, and the
    other biases, are not changed; where there are two biases, `bias_ih` has the value and `bias_hh` is 0.

    Args:
        module: a layer or a cell of recurra.nn, or a module that contains some.
        max_steps: the longest memory in time steps, above 2.
        generator: generator of random numbers. Default: None, the default generator of torch.

    Returns:
        The module.

    Raises:
        CallError: if `module` contains no layer or cell of recurra.nn, a cell declares no `memory_gates` or has no
            `bias_ih`, or `max_steps` is not above 2.

    Reference: Tallec and Ollivier 2018, arXiv:1804.11188.

    Example:
        >>> from recurra import nn
        >>> layer = nn.init.chrono_(nn.LSTM(5, 8), max_steps=100)
        >>> i, f, g, o = layer.bias_ih_l0.detach().chunk(4)
        >>> bool((i == -f).all() and (f >= 0).all() and (f <= 4.6).all())  # log(99) = 4.595
        True
    """
    if not 2 < max_steps < math.inf:
        raise CallError(f"max_steps is {max_steps!r}; expected a finite number above 2")
    found = cells_in(module)
    for one in found:
        if not one.cell.memory_gates:
            raise CallError(
                f"chrono initialization sets the biases of the gates that keep the state, and {one.cell} declares none"
            )
        if "bias_ih" not in one.names:
            raise CallError(f"chrono initialization sets bias_ih, which {one.cell} does not have with these arguments")
    for one in found:
        H, biases = one.hidden_size, ["bias_ih", "bias_hh"]
        names = {name: one.names[name] for name in biases if name in one.names}
        with initial_values(one.module, names) as values:
            bias = values["bias_ih"].new_empty(H).uniform_(1.0, max_steps - 1.0, generator=generator).log_()
            for gate, sign in one.cell.memory_gates.items():
                rows = slice(one.cell.gates.index(gate) * H, (one.cell.gates.index(gate) + 1) * H)
                values["bias_ih"][rows] = sign * bias
                if "bias_hh" in values:
                    values["bias_hh"][rows] = 0
    return module
