"""Penalties on weights and activations, to be added to a loss: L1, L2, AR and TAR.

    L1   sum |w|        L2   sum w^2         over the input weights, the recurrent weights or the biases
    AR   mean y^2                            over the outputs of all valid time steps
    TAR  mean (y[t+1] - y[t])^2              over all pairs of consecutive valid time steps

AR and TAR: Merity, McCann and Socher 2017, arXiv:1708.01009.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..cells.base import ROLES
from ..errors import CallError, near
from .cell_parameters import CellParameters, cells_in
from .validate import ArgumentError, Lengths, ShapeError, check_lengths

COEFFICIENTS = tuple(f"{kind}_{role}" for kind in ("l1", "l2") for role in ROLES)


def weight_penalty(module: torch.nn.Module, **coefficients: float) -> Tensor:
    """Return the L1 and L2 penalties on the parameters of all cells in a module, with their gradient.

    The tensors that the layers compute with are penalized: of a parametrized weight, the result of the parametrization; with
    `weight_drop`, the weight before dropout.

    Args:
        module: a layer or cell of recurra.nn, or a module that contains some.
        **coefficients: `l1_input`, `l1_recurrent`, `l1_bias`, `l2_input`, `l2_recurrent` and `l2_bias`, by which the sums are
            multiplied. Default: 0.

    Returns:
        A scalar tensor.

    Raises:
        CallError: if `module` contains no layer or cell of recurra.nn, a coefficient is unknown or negative, or a cell has no
            parameter of a role whose coefficient is not 0.

    Example:
        >>> from recurra import nn
        >>> layer = nn.GRU(5, 8)
        >>> penalty = nn.penalties.weight_penalty(layer, l1_input=1e-4, l2_recurrent=1e-3)
        >>> bool(penalty.isclose(1e-4 * layer.weight_ih_l0.abs().sum() + 1e-3 * layer.weight_hh_l0.square().sum()))
        True
    """
    for name, value in coefficients.items():
        if name not in COEFFICIENTS:
            raise ArgumentError(f"{name} is {value!r}, and there is no such coefficient; {near(name, COEFFICIENTS)}")
        if not value >= 0:
            raise CallError(f"{name} is {value!r}; expected a number of at least 0")
    cells = cells_in(module)
    terms: list[Tensor] = []
    for name, value in coefficients.items():
        kind, _, role = name.partition("_")
        for cell in cells if value else ():
            tensors = _penalized(cell, name, value, role)
            terms += [value * (tensor.abs() if kind == "l1" else tensor.square()).sum() for tensor in tensors]
    return torch.stack(terms).sum() if terms else torch.zeros(())


def _penalized(cell: CellParameters, name: str, value: float, role: str) -> list[Tensor]:
    if not (tensors := cell.values(role)):
        raise CallError(f"{name} is {value}, and {cell.cell} has no parameter with the role {role!r}")
    return tensors


def activation_penalty(y: Tensor, lengths: Lengths = None) -> Tensor:
    """Return AR, the mean of y^2 over all valid time steps and features.

    Args:
        y: (B, T, H), the output of a layer.
        lengths: (B,), the number of valid time steps of each sequence. Default: None, all T.

    Returns:
        A scalar tensor; 0 if there is no valid time step.

    Raises:
        CallError: if a shape, dtype or value is invalid.

    Example:
        >>> import torch
        >>> from recurra.nn import penalties
        >>> penalties.activation_penalty(torch.tensor([[[1.0], [3.0], [9.0]]]), lengths=[2])
        tensor(5.)
    """
    return mean_of([squares(y, lengths)])


def temporal_activation_penalty(y: Tensor, lengths: Lengths = None) -> Tensor:
    """Return TAR, the mean of (y[t+1] - y[t])^2 over all pairs of consecutive valid time steps and all features.

    Args:
        y: (B, T, H), the output of a layer.
        lengths: (B,), the number of valid time steps of each sequence. Default: None, all T.

    Returns:
        A scalar tensor; 0 if no sequence has two valid time steps.

    Raises:
        CallError: if a shape, dtype or value is invalid.

    Example:
        >>> import torch
        >>> from recurra.nn import penalties
        >>> penalties.temporal_activation_penalty(torch.tensor([[[1.0], [3.0], [9.0]]]), lengths=[2])
        tensor(4.)
    """
    return mean_of([squared_differences(y, lengths)])


def squares(y: Tensor, lengths: Lengths) -> tuple[Tensor, Tensor]:
    """Return the sum of y^2 over the valid time steps of y (B, T, H), and the number of its terms."""
    return _sum(_wide(y).square(), _valid(y, lengths))


def squared_differences(y: Tensor, lengths: Lengths, starts: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the sum of the squared differences of consecutive valid time steps of y (B, T, H), and the number of its terms.

    There is no difference between a time step at which a sequence restarts, `starts` (B, T), and the one before it.
    """
    valid, y = _valid(y, lengths)[:, 1:], _wide(y)
    if starts is not None:
        valid = valid & ~starts[:, 1:, None].to(y.device)
    return _sum((y[:, 1:] - y[:, :-1]).square(), valid)


def mean_of(parts: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Return the mean of several parts from their sums and numbers of terms; 0 without terms."""
    total, count = (torch.stack([part[i] for part in parts]).sum() for i in (0, 1))
    return total / count.clamp(min=1)


def _sum(terms: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    return torch.where(valid, terms, 0).sum(), valid.sum() * terms.shape[-1]


def _wide(y: Tensor) -> Tensor:
    """Return y in float32 if it is in half precision, in which squares and their sum would overflow."""
    return y.float() if y.dtype in (torch.float16, torch.bfloat16) else y


def _valid(y: Tensor, lengths: Lengths) -> Tensor:
    """Return the mask (B, T, 1) of the valid time steps."""
    if y.dim() != 3:
        raise ShapeError(f"y has shape {tuple(y.shape)}; expected (B, T, H)")
    checked = check_lengths(lengths, y)
    steps = torch.arange(y.shape[1], device=y.device)
    ends = steps.new_full((len(y),), y.shape[1]) if checked is None else checked
    return (steps < ends[:, None])[:, :, None]
