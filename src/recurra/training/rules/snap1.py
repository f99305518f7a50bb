"""SnAp-1, a sparse approximation of real-time recurrent learning: Menick et al. 2020, arXiv:2006.07232.

Where each parameter reaches one unit in a step, the derivative of the state with respect to the parameters is kept for this
unit alone. With the state s of a unit, a vector of C components, and a parameter p of this unit,

    J[t] = D[t] J[t-1] + ds[t]/dp,    D[t] = the derivative of s[t] with respect to s[t-1], of the same unit    (C, C)
    dp  += dL[t]/ds[t] . J[t]

The memory does not depend on the number of time steps. Influence by way of other units is left out, so that the gradient is
exact where the recurrence is element-wise. In a stack each layer is treated in this way; the gradient passes between layers
within a time step. Parameters below the recurrent layers, such as embeddings, have the gradient of the current time step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from ...errors import SettingError
from ...nn import State
from ...nn.unroll import Direction, directions_of, over_layers, split_state
from ...tasks.base import Backward
from ...tasks.objective import Objective
from .base import GradientRule
from .forward import (
    Moment,
    add_gradients,
    check_forward,
    check_pooling,
    detached_params,
    kept_where,
    loss_of,
    moments,
    part_of,
    zero_where,
)
from .structure import cells_with_one_unit, structure_of

Influence = dict[str, Tensor]  # "layer.parameter.component" -> (B, *shape of the parameter)


@final
class SnAp1(GradientRule):
    """Real-time recurrent learning within each unit."""

    name: ClassVar[str] = "snap1"

    def check(self, objective: Objective) -> None:
        """See `GradientRule.check`."""
        for cell in objective.recurrent.cells:
            if not structure_of(cell, objective.recurrent.bias).one_unit:
                raise SettingError(
                    f"gradient=snap1 needs a cell in which each parameter reaches one unit per step, which {cell.name} is not; "
                    f"use {', '.join(cells_with_one_unit())}, or gradient=tbptt"
                )
        check_forward(objective, self.name)
        check_pooling(objective, self.name, ("LastPooling",))

    def gradient(self, objective: Objective, state: State | None, backward: Backward) -> tuple[Tensor, State | None]:
        """See `GradientRule.gradient`."""
        layer = objective.recurrent
        directions = directions_of(layer)
        params, B = detached_params(directions), len(objective.lengths)
        initial = layer.initial_state(B).detach()
        names = list(initial)
        now = [part_of(state, "state.").get(name, initial[name]) for name in names]
        influence = _influence(directions, B, part_of(state, "influence."))
        gradients = [{name: torch.zeros_like(value) for name, value in one.items()} for one in params]
        total = torch.zeros((), device=objective.device)
        for moment in moments(objective):
            if moment.restarts is not None:
                now = [zero_where(moment.restarts, value) for value in now]
                influence = {name: zero_where(moment.restarts, value) for name, value in influence.items()}
            new, inputs, y = _stack_step(objective, moment, directions, params, split_state(directions, now))
            before = split_state(directions, now)
            for k, direction in enumerate(directions):
                updated = _updated(direction, params[k], before[k], inputs[k].detach(), influence, k)
                influence |= {name: kept_where(moment.running, updated[name], influence[name]) for name in updated}
            loss = loss_of(objective, moment, y, None if objective.pooling is None else (y,))
            if loss is not None:
                backward(loss)
                total = total + loss.detach()
                for k, direction in enumerate(directions):
                    _add(gradients[k], new[k], direction, influence, k)
            now = [value.detach() for components in new for value in components]
        pairs = [(directions[k].params[name], value) for k, one in enumerate(gradients) for name, value in one.items()]
        add_gradients([value for value, _ in pairs], [gradient for _, gradient in pairs])
        if objective.resume is None:
            return total, None
        kept = {f"state.{name}": value for name, value in zip(names, now, strict=True)}
        return total, State(kept | {f"influence.{name}": value.flatten(1) for name, value in influence.items()})


def _influence(directions: list[Direction], B: int, saved: dict[str, Tensor]) -> Influence:
    """The influence before the batch: zero, or `saved`."""
    found = {}
    for k, direction in enumerate(directions):
        for name, value in direction.params.items():
            for component in direction.sizes:
                key, shape = f"{k}.{name}.{component}", (B, *value.shape)
                found[key] = saved[key].view(shape) if saved else value.new_zeros(shape)
    return found


def _stack_step(
    objective: Objective,
    moment: Moment,
    directions: list[Direction],
    params: list[dict[str, Tensor]],
    before: list[Any],
) -> tuple[list[Any], list[Tensor], Tensor]:
    """One step of all layers, with a graph of this time step alone.

    Returns the state after it, whose gradients are kept, the input of each layer (B, I), and the output (B, H).
    """
    x = objective.inputs(moment.index)
    x = x if x.requires_grad else x.detach().requires_grad_()
    after: list[Any] = []
    inputs: list[Tensor] = []

    def run_layer(k: int, below: Tensor) -> Tensor:
        cell = directions[k].cell
        inputs.append(below[:, 0])
        new = cell.step(cell.project(below, params[k])[:, 0], before[k], params[k])
        pairs = zip(new, before[k], strict=True)
        after.append(cell.state_type(*(kept_where(moment.running, value, old) for value, old in pairs)))
        for value in after[-1]:
            value.retain_grad()
        output: Tensor = after[-1][0][:, None]
        return output

    y = over_layers(objective.recurrent, x, None, run_layer)
    return after, inputs, y[:, 0]


def _updated(
    direction: Direction, params: dict[str, Tensor], before: Any, x: Tensor, influence: Influence, k: int
) -> Influence:
    """The influence on a layer after a step from `before` with the input x (B, I)."""
    cell = direction.cell

    def step(params: dict[str, Tensor], state: tuple[Tensor, ...], x: Tensor) -> tuple[Tensor, ...]:
        new = cell.step(cell.project(x[None], params), cell.state_type(*(value[None] for value in state)), params)
        return tuple(value[0] for value in new)

    def of_component(c: int) -> Callable[..., Tensor]:
        return lambda params, state, x: step(params, state, x)[c].sum()

    rows = (None, 0, 0)
    matrices = torch.func.vmap(torch.func.jacrev(step, argnums=1), in_dims=rows)(params, tuple(before), x)
    components, found = list(direction.sizes), {}
    for c, component in enumerate(components):
        at_once = torch.func.vmap(torch.func.grad(of_component(c)), in_dims=rows)(params, tuple(before), x)
        for name, immediate in at_once.items():
            value = immediate
            for other, matrix in zip(components, matrices[c], strict=True):
                within = _per_parameter(matrix.diagonal(dim1=1, dim2=2), params[name])
                value = value + within * influence[f"{k}.{name}.{other}"]
            found[f"{k}.{name}.{component}"] = value.detach()
    return found


def _add(gradients: dict[str, Tensor], new: Any, direction: Direction, influence: Influence, k: int) -> None:
    """Add the gradient of the losses of a time step to that of the parameters of a layer."""
    for component, value in zip(direction.sizes, new, strict=True):
        if value.grad is not None:
            for name, gradient in gradients.items():
                gradient += (_per_parameter(value.grad, gradient) * influence[f"{k}.{name}.{component}"]).sum(0)


def _per_parameter(of_units: Tensor, parameter: Tensor) -> Tensor:
    """Return the values (B, H) of the unit of each entry of a parameter (G*H, ...), to multiply (B, G*H, ...)."""
    B, H = of_units.shape
    return of_units.repeat(1, len(parameter) // H).view(B, len(parameter), *[1] * (parameter.dim() - 1))
