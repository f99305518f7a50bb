"""The parameters of each cell inside a module, by their role: what penalties, initializations and constraints act on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..cells import Cell, role_of
from ..errors import CallError
from .base import RecurrentBase
from .cells import CellModule
from .parameters import weight_of
from .validate import ArgumentError


class CellParameters(NamedTuple):
    """The trained parameters of one cell: of a layer and direction, or of a module that runs one time step.

    names   the name in the module of each parameter of the cell
    roles   the role of each parameter of the cell: "input", "recurrent", "bias" or ""
    """

    module: RecurrentBase | CellModule
    cell: Cell
    hidden_size: int
    names: dict[str, str]
    roles: dict[str, str]

    def with_role(self, role: str) -> list[str]:
        """Return the names in the module of the parameters with this role."""
        return [self.names[name] for name in self.names if self.roles[name] == role]

    def values(self, role: str) -> list[Tensor]:
        """Return the tensors of this role that the module computes with; of a constrained parameter, the result."""
        return [weight_of(self.module, name) for name in self.with_role(role)]

    def recurrent_matrices(self) -> list[tuple[str, int]]:
        """Return name and number of gates of each recurrent matrix (G*H, P), where P is H except with a projection.

        Raises CallError if the cell has none.
        """
        found = []
        for name in self.with_role("recurrent"):
            weight = weight_of(self.module, name)
            if weight.dim() == 2 and not weight.shape[0] % max(self.hidden_size, 1):
                found.append((name, weight.shape[0] // max(self.hidden_size, 1)))
        if not found:
            raise CallError(f"{self.cell} has no recurrent matrix (G*H, H); the role of its parameters is declared in "
                            "Cell.parameters, as in Parameter(shape, init, role='recurrent')")  # fmt: skip
        return found


def cells_in(module: torch.nn.Module) -> Sequence[CellParameters]:
    """Return the parameters of each cell of a layer, a cell, or any module that contains some.

    Raises CallError if there is none.
    """
    if not isinstance(module, torch.nn.Module):
        raise ArgumentError(f"module is a {type(module).__name__}; expected a module with layers of recurra.nn")
    found = []
    for inner in module.modules():
        if isinstance(inner, RecurrentBase):
            for k, end in inner._name_suffixes():
                names = {name: name + end for name in inner._own_names[k]}
                found.append(_of(inner, inner.cells[k], inner._input_size(k), inner.hidden_sizes[k], names))
        elif isinstance(inner, CellModule):
            names = {name: name for name in inner._names}
            found.append(_of(inner, inner.cell, inner.input_size, inner.hidden_size, names))
    if not found:
        raise CallError(f"{type(module).__name__} contains no layer or cell of recurra.nn")
    return found


def _of(
    module: RecurrentBase | CellModule, cell: Cell, input_size: int, hidden_size: int, names: dict[str, str]
) -> CellParameters:
    declared = cell.parameters(input_size, hidden_size, module.bias)
    roles = {name: role_of(name, parameter) for name, parameter in declared.items() if parameter.trainable}
    return CellParameters(module, cell, hidden_size, {name: names[name] for name in roles}, roles)
