"""Constraints on the recurrent matrices of layers and cells, as parametrizations of `torch.nn.utils.parametrize`.

    dale             every unit excites (its outgoing weights are >= 0) or inhibits (<= 0): W = |V| diag(s), s = +1 or -1
    mask             only some connections exist: W = V * M
    diagonal         each unit is connected to itself only: W = V * I
    symmetric        W = W^T, from the upper triangle of V
    rank             W = A B with A (H, r) and B (r, H)
    spectral_norm    the largest singular value is at most a bound: W = V min(1, bound / s(V)), Pascanu et al. 2013
    spectral_radius  the eigenvalues have at most the modulus `bound`: W = V min(1, bound / rho(V))

The recurrent weights (G*H, H) are the matrices of G gates; a constraint holds for each of them. V is what is trained.
The singular values and the eigenvalues are computed exactly, which takes O(H^3) whenever the weights are used.

`apply(layer, {"dale": 0.8, "spectral_radius": 1.0})` combines constraints; a bound acts on the result of others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn.utils import parametrize

from ..errors import CallError, near
from .cell_parameters import CellParameters, cells_in
from .constraint_maps import Constraint, Dale, Mask, Rank, SpectralNorm, SpectralRadius, Symmetric

ModuleT = TypeVar("ModuleT", bound=torch.nn.Module)
STRUCTURES = ("dale", "mask", "diagonal", "symmetric", "rank")
BOUNDS = ("spectral_norm", "spectral_radius")
Value = bool | int | float | Tensor


def check(constraints: Mapping[str, Value]) -> None:
    """Raise CallError if a name or value is unknown or out of range, or if two constraints exclude each other.

    At most one of `dale`, `mask`, `diagonal`, `symmetric` and `rank` is allowed, except that `dale` and `mask` may be
    combined; and at most one of `spectral_norm` and `spectral_radius`.
    """
    for name, value in constraints.items():
        if name not in (*STRUCTURES, *BOUNDS):
            raise CallError(f"unknown constraint {name!r}; {near(name, (*STRUCTURES, *BOUNDS))}")
        if problem := _problem(name, value):
            raise CallError(f"constraint {name} is {value!r}; expected {problem}")
    for group, together in ((STRUCTURES, {"dale", "mask"}), (BOUNDS, set())):
        chosen = [name for name in constraints if name in group]
        if len(chosen) > 1 and not set(chosen) <= together:
            raise CallError(f"the constraints {' and '.join(chosen)} cannot be combined; keep one of them")


def _problem(name: str, value: Value) -> str | None:
    """Return what is expected of a value that is not valid."""
    if isinstance(value, Tensor):
        return None if name in ("dale", "mask") else "a number"
    number = not isinstance(value, bool)
    if name in ("diagonal", "symmetric"):
        return None if value is True else "true"
    if name == "rank":
        return None if number and isinstance(value, int) and value >= 1 else "an integer of at least 1"
    if name == "dale":
        return None if number and 0 < value < 1 else "the fraction of excitatory units, above 0 and below 1"
    if name == "mask":
        return None if number and 0 < value <= 1 else "the fraction of connections, above 0 and at most 1"
    return None if number and 0 < value < float("inf") else "a bound above 0"


def apply(module: ModuleT, constraints: Mapping[str, Value], generator: torch.Generator | None = None) -> ModuleT:
    """Constrain the recurrent matrices of all cells in a module. The weights change to ones that satisfy the constraints.

    Args:
        module: a layer or a cell of recurra.nn, or a module that contains some.
        constraints: the constraints by name.

            - `dale`: the fraction of excitatory units, which come first; or a tensor (H,) of 1 and -1.
            - `mask`: the fraction of connections, which are drawn at random, the same for all gates of a cell; or a tensor
              (H, H), not 0 where the connection from unit j (column) to unit i (row) exists.
            - `diagonal`, `symmetric`: True.
            - `rank`: the largest rank of the matrix of a gate.
            - `spectral_norm`, `spectral_radius`: the bound.
        generator: generator of random numbers for the mask. Default: None, the default generator of torch.

    Returns:
        The module.

    Raises:
        CallError: if a constraint is unknown or invalid, two exclude each other, or a cell has no such recurrent matrix.

    Reference: for `dale`, Song, Yang and Wang 2016, PLOS Computational Biology 12(2); for `rank`, Mastrogiuseppe and Ostojic
        2018, Neuron 99(3); for the bounds, Pascanu, Mikolov and Bengio 2013, arXiv:1211.5063.

    Example:
        >>> from recurra import nn
        >>> layer = nn.RNN(3, 10, nonlinearity="relu")
        >>> _ = nn.constraints.apply(layer, {"dale": 0.8, "spectral_radius": 1.0})
        >>> W = layer.weight_hh_l0
        >>> bool((W[:, :8] >= 0).all() and (W[:, 8:] <= 0).all())
        True
    """
    check(constraints)
    ordered = [name for name in (*STRUCTURES, *BOUNDS) if name in constraints]
    found = [(cell, *matrix) for cell in cells_in(module) for matrix in cell.recurrent_matrices()]
    made = []
    for cell, name, gates in found:  # all are checked before the first one is changed
        shape = (cell.hidden_size, getattr(cell.module, name).shape[1])
        made.append([_made(kind, constraints[kind], gates, shape, cell, generator) for kind in ordered])
    for (cell, name, _), maps in zip(found, made, strict=True):
        weight = getattr(cell.module, name)
        for one in maps:
            parametrize.register_parametrization(cell.module, name, one.to(weight))
    return module


def _made(
    kind: str,
    value: Value,
    gates: int,
    shape: tuple[int, int],
    cell: CellParameters,
    generator: torch.Generator | None,
) -> Constraint:
    H, P = shape
    if H != P and kind in ("diagonal", "symmetric", "spectral_radius"):
        raise CallError(f"constraint {kind} requires square matrices, and those of {cell.cell} are {shape}")
    if kind == "dale":
        return Dale(_signs(value, P))
    if kind == "mask":
        return Mask(gates, _mask(value, shape, generator))
    if kind == "diagonal":
        return Mask(gates, torch.eye(H))
    if kind == "symmetric":
        return Symmetric(gates)
    if kind == "rank":
        if value > min(shape):
            raise CallError(
                f"constraint rank is {value}, and the matrices of {cell.cell} are {shape}; expected at most {min(shape)}"
            )
        return Rank(gates, int(value))
    return SpectralNorm(gates, float(value)) if kind == "spectral_norm" else SpectralRadius(gates, float(value))


def _signs(value: Value, units: int) -> Tensor:
    """Return 1 for each excitatory unit and -1 for each inhibitory one."""
    if isinstance(value, Tensor):
        if value.shape != (units,) or not (value.abs() == 1).all():
            raise CallError(f"constraint dale is a tensor {tuple(value.shape)}; expected ({units},) of 1 and -1")
        return value.detach().clone()
    signs = torch.ones(units)
    signs[min(max(round(value * units), 0), units) :] = -1
    return signs


def _mask(value: Value, shape: tuple[int, int], generator: torch.Generator | None) -> Tensor:
    """Return 1 for each connection that exists, otherwise 0."""
    if isinstance(value, Tensor):
        if value.shape != shape:
            raise CallError(f"constraint mask is a tensor {tuple(value.shape)}; expected {shape}")
        return (value != 0).to(torch.get_default_dtype())
    size = shape[0] * shape[1]
    chosen = torch.randperm(size, generator=generator)[: max(round(value * size), 1)]
    mask = torch.zeros(size)
    mask[chosen] = 1
    return mask.view(shape)


def remove(module: ModuleT, name: str | None = None) -> ModuleT:
    """Remove the constraints of a module and keep the constrained weights, as ordinary parameters.

    Args:
        module: any module.
        name: the name of a weight of `module` itself, the only one whose constraints are removed. Default: None, all weights of
            the module and of those inside it.

    Returns:
        The module.

    Example:
        >>> from recurra import nn
        >>> layer = nn.constraints.apply(nn.GRU(3, 4), {"diagonal": True})
        >>> sorted(name for name, _ in nn.constraints.remove(layer).named_parameters())
        ['bias_hh_l0', 'bias_ih_l0', 'weight_hh_l0', 'weight_ih_l0']
    """
    for full_name, owner, own in constrained(module):
        if name in (None, full_name):
            with torch.enable_grad():  # a weight that needs a gradient remains a parameter
                parametrize.remove_parametrizations(owner, own, leave_parametrized=True)
    return module


def constrained(module: torch.nn.Module) -> list[tuple[str, torch.nn.Module, str]]:
    """Return each constrained weight in a module: its name in `module`, its owner, and its name in the owner."""
    found = []
    for prefix, owner in module.named_modules():
        if not parametrize.is_parametrized(owner):
            continue
        parametrizations: Any = owner.parametrizations
        for name, maps in parametrizations.items():
            if all(isinstance(one, Constraint) for one in maps):
                found.append((f"{prefix}.{name}" if prefix else name, owner, name))
    return found


def maps_of(owner: torch.nn.Module, name: str) -> list[Constraint]:
    """Return the constraints of a weight, in the order in which they act."""
    parametrizations: Any = owner.parametrizations
    return list(parametrizations[name])
