"""Real-time recurrent learning, the exact gradient forward in time: Williams and Zipser 1989, Neural Computation 1(2).

The derivative of the state with respect to the parameters is carried from step to step. With the state s of all layers and of
the pooling, N numbers, and all parameters on which it depends, P numbers,

    J[t] = (ds[t]/ds[t-1]) J[t-1] + ds[t]/dp        (N, P) for each sequence
    dp  += dL[t]/ds[t] . J[t]

The memory does not depend on the number of time steps, and is N * P for each sequence. Where the recurrence is element-wise,
a single layer needs as little as SnAp-1, which is then exact.
"""

from __future__ import annotations

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
from .snap1 import SnAp1
from .structure import structure_of

MAX_UNITS = 64
MAX_NUMBERS = 2**28  # of J in a batch, 1 GB


@final
class RTRL(GradientRule):
    """Real-time recurrent learning."""

    name: ClassVar[str] = "rtrl"

    def check(self, objective: Objective) -> None:
        """See `GradientRule.check`."""
        check_forward(objective, self.name)
        if _is_element_wise(objective):
            return
        check_pooling(objective, self.name, ("LastPooling", "MeanPooling", "MaxPooling", "MeanMaxPooling"))
        layer = objective.recurrent
        if max(layer.hidden_sizes) > MAX_UNITS:
            raise SettingError(
                f"gradient=rtrl is exact for element-wise recurrences, and for other cells of at most {MAX_UNITS} units; "
                f"hidden_size is {max(layer.hidden_sizes)}: reduce it, or use gradient=snap1"
            )
        sizes = [value.numel() for one in directions_of(layer) for value in one.params.values()]
        P = sum(sizes) + sum(value.numel() for value in _input_parameters(objective))
        N, B = sum(size for sizes in layer._sizes for size in sizes.values()), len(objective.lengths)
        if B * N * P > MAX_NUMBERS:
            raise SettingError(
                f"gradient=rtrl would keep {B} x {N} x {P:,} numbers (sequences, state, parameters); "
                "reduce batch_size, hidden_size or the vocabulary, or use gradient=snap1"
            )

    def gradient(self, objective: Objective, state: State | None, backward: Backward) -> tuple[Tensor, State | None]:
        """See `GradientRule.gradient`."""
        if _is_element_wise(objective):
            return SnAp1().gradient(objective, state, backward)
        layer, B = objective.recurrent, len(objective.lengths)
        directions, below = directions_of(layer), _input_parameters(objective)
        params = detached_params(directions)
        initial = layer.initial_state(B).detach()
        now = [part_of(state, "state.").get(name, value) for name, value in initial.items()]
        components = len(now)
        if objective.pooling is not None:
            nothing = now[0].new_zeros(B, 0, layer.output_size)
            now += [value.detach() for value in objective.pooling.push(nothing, None, None)]
        N = sum(value.shape[1] for value in now)
        trained = [value for direction in directions for value in direction.params.values()] + below
        P = sum(value.numel() for value in trained)
        J = part_of(state, "influence")[""].view(B, N, P) if state is not None else now[0].new_zeros(B, N, P)
        gradient, total = J.new_zeros(P), torch.zeros((), device=objective.device)
        step = torch.func.vmap(
            torch.func.jacrev(_step_of(objective, directions, components), argnums=(0, 1, 2), has_aux=True),
            in_dims=(None, 0, 0),
        )
        for moment in moments(objective):
            if moment.restarts is not None:
                now[:components] = [zero_where(moment.restarts, value) for value in now[:components]]
                J = zero_where(moment.restarts, J)
            x = objective.inputs(moment.index)[:, 0]
            (of_params, of_state, of_x), new = step(params, tuple(now), x.detach())
            at_once = [value.flatten(2) for one in of_params for value in one.values()]
            if below:
                at_once.append(of_x @ _jacobian_of_input(x, below))
            J = kept_where(moment.running, torch.cat(of_state, 2) @ J + torch.cat(at_once, 2), J).detach()
            pairs = zip(new, now, strict=True)
            now = [kept_where(moment.running, value, old).detach().requires_grad_() for value, old in pairs]
            y = now[components - len(directions[-1].sizes)]
            loss = loss_of(objective, moment, _output(objective, directions, now, y), tuple(now[components:]) or None)
            if loss is not None:
                backward(loss)
                total = total + loss.detach()
                of_loss = [torch.zeros_like(value) if value.grad is None else value.grad for value in now]
                gradient += torch.einsum("bn,bnp->p", torch.cat(of_loss, 1), J)
            now = [value.detach() for value in now]
        parts = torch.split(gradient, [value.numel() for value in trained])
        add_gradients(trained, [part.view_as(value) for part, value in zip(parts, trained, strict=True)])
        if objective.resume is None:
            return total, None
        kept = {f"state.{name}": value for name, value in zip(initial, now, strict=False)}
        return total, State(kept | {"influence": J.flatten(1)})


def _output(objective: Objective, directions: list[Direction], now: list[Tensor], top: Tensor) -> Tensor:
    """The output of the stack, (B, H), from the state of all layers."""
    if not objective.recurrent.options.residual:
        return top
    heads = [one[0] for one in split_state(directions, now[: sum(len(d.sizes) for d in directions)])]
    return torch.stack(heads).sum(0)


def _step_of(objective: Objective, directions: list[Direction], components: int) -> Any:
    """The step of one sequence: (params, state, x) -> the state after it as one vector, and as components."""
    pooling = objective.pooling

    def step(params: list[dict[str, Tensor]], state: tuple[Tensor, ...], x: Tensor) -> tuple[Tensor, Any]:
        before = split_state(directions, [value[None] for value in state[:components]])
        after: list[Tensor] = []

        def run_layer(k: int, below: Tensor) -> Tensor:
            cell = directions[k].cell
            new = cell.step(cell.project(below, params[k])[:, 0], before[k], params[k])
            after.extend(new)
            output: Tensor = new[0][:, None]
            return output

        y = over_layers(objective.recurrent, x[None, None], None, run_layer)
        if pooling is not None:
            after.extend(pooling.push(y, None, tuple(value[None] for value in state[components:])))
        return torch.cat(after, 1)[0], tuple(value[0] for value in after)

    return step


def _input_parameters(objective: Objective) -> list[Tensor]:
    """The parameters below the recurrent layers."""
    x = objective.inputs(torch.zeros(len(objective.lengths), 1, dtype=torch.long, device=objective.device))
    if not x.requires_grad:
        return []
    parameters = [value for value in objective.network.parameters() if value.requires_grad]
    found = torch.autograd.grad(x.sum(), parameters, allow_unused=True)
    return [value for value, gradient in zip(parameters, found, strict=True) if gradient is not None]


def _jacobian_of_input(x: Tensor, parameters: list[Tensor]) -> Tensor:
    """The derivative of the input x (B, I) with respect to the parameters below, (B, I, P)."""
    basis = torch.eye(x.numel(), dtype=x.dtype, device=x.device).view(-1, *x.shape)
    found = torch.autograd.grad(x, parameters, basis, is_grads_batched=True)
    return torch.cat([value.flatten(1) for value in found], 1).view(*x.shape, -1)


def _is_element_wise(objective: Objective) -> bool:
    """Whether SnAp-1 is exact: one layer with an element-wise recurrence, nothing to train below it, and no other pooling."""
    layer = objective.recurrent
    structure = structure_of(layer.cell, layer.bias)
    last = objective.pooling is None or type(objective.pooling).__name__ == "LastPooling"
    return (
        layer.num_layers == 1
        and structure.one_unit
        and structure.element_wise
        and last
        and not _input_parameters(objective)
    )
