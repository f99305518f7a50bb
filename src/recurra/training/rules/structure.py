"""Whether each parameter of a cell reaches one unit in a step, and whether its recurrence is element-wise.

Both are measured on a tiny layer of the cell, in float64: the Jacobian of a step at random states has zeros elsewhere. A
parameter belongs to unit n if its first axis has the index n modulo H.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from ...cells import Cell, names
from ...cells import get as cell_named
from ...errors import RecurraError

INPUTS, UNITS, POINTS = 2, 3, 4


class Structure(NamedTuple):
    """The structure of a cell.

    Attributes:
        one_unit: whether each parameter reaches the state of one unit in a step.
        element_wise: whether the state of a unit after a step depends on the earlier state of no other unit.
    """

    one_unit: bool
    element_wise: bool


@cache
def structure_of(cell: Cell, bias: bool = True) -> Structure:
    """Measure the structure of a cell."""
    sizes = cell.state_sizes(UNITS)
    declared = cell.parameters(INPUTS, UNITS, bias)
    if (
        not cell.differentiable
        or cell.has_initial_state
        or set(sizes.values()) != {UNITS}
        or any(not p.trainable or p.shape[0] % UNITS for p in declared.values())
    ):
        return Structure(False, False)
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=torch.float64, generator=generator)

    one_unit = element_wise = True
    with torch.enable_grad():
        for _ in range(POINTS):
            params = {name: random(*parameter.shape).requires_grad_() for name, parameter in declared.items()}
            state = [random(1, UNITS).requires_grad_() for _ in sizes]
            new = cell.step(cell.project(random(1, INPUTS), params), cell.state_type(*state), params)
            for component in new:
                for unit in range(UNITS):
                    reached = torch.autograd.grad(
                        component[0, unit], [*params.values(), *state], retain_graph=True, materialize_grads=True
                    )
                    units = [torch.arange(len(value)) % UNITS == unit for value in params.values()]
                    of_params = zip(reached[: len(params)], units, strict=True)
                    one_unit &= all(not value[~own].any() for value, own in of_params)
                    element_wise &= all(
                        not value[0, torch.arange(UNITS) != unit].any() for value in reached[len(params) :]
                    )
    return Structure(one_unit, element_wise)


def cells_with_one_unit() -> list[str]:
    """The names of the built-in cells in which each parameter reaches one unit."""
    return [name for name in names() if _has_one_unit(name)]


def _has_one_unit(name: str) -> bool:
    try:
        return structure_of(cell_named(name)).one_unit
    except RecurraError:  # a cell that requires an option
        return False
