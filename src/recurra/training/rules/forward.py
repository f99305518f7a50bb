"""What the rules forward in time share: the checks of the network, and the order of events in a time step."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ...errors import SettingError
from ...nn import State
from ...nn.unroll import Direction
from ...tasks.objective import Objective


def check_forward(objective: Objective, rule: str) -> None:
    """Raise SettingError where a layer draws random numbers or learns its initial state, which these rules do not follow."""
    layer = objective.recurrent
    active = [name for name in layer.options.non_default() if name not in ("forget_bias", "residual")]
    active += ["dropout between layers"] if layer.dropout else []
    active += ["an initial state of the cell"] if layer._has_initial_state else []
    if active:
        raise SettingError(
            f"gradient={rule} does not support {', '.join(active)}; set them to 0, or use gradient=tbptt"
        )


def check_pooling(objective: Objective, rule: str, allowed: tuple[str, ...]) -> None:
    """Raise SettingError where the pooling is not one of `allowed`, class names such as LastPooling."""
    kind = type(objective.pooling).__name__
    if objective.pooling is not None and kind not in allowed:
        names = {"LastPooling": "last", "MeanPooling": "mean", "MaxPooling": "max", "MeanMaxPooling": "mean_max"}
        raise SettingError(f"gradient={rule} needs pooling={' or '.join(names[name] for name in allowed)}")


class Moment:
    """One time step of a batch.

    Attributes:
        index: (B, 1), the time step.
        running: (B, 1) booleans: the sequences that have this time step.
        restarts: (B, 1) booleans: the sequences that restart here. None: none does.
        counted: (B, 1) booleans: the sequences with a loss at this time step.
        ended: (B,) booleans: the sequences whose last time step this is.
    """

    def __init__(self, objective: Objective, t: int) -> None:
        lengths, device = objective.lengths, objective.device
        self.index = torch.full((len(lengths), 1), t, device=device)
        self.running = (t < lengths)[:, None].to(device)
        self.restarts = None if objective.restarts is None else objective.restarts[:, t : t + 1].to(device)
        self.counted = self.running & (t >= objective.begin)
        self.ended = (lengths == t + 1) | (lengths == 0) & (t == 0)


def moments(objective: Objective) -> Iterator[Moment]:
    """Yield the time steps of a batch in order."""
    return (Moment(objective, t) for t in range(objective.steps))


def loss_of(objective: Objective, moment: Moment, y: Tensor, pooled: tuple[Tensor, ...] | None) -> Tensor | None:
    """Return the losses of a time step with the outputs y (B, H); None where there are none."""
    losses = []
    if objective.has_steps and moment.index[0, 0] >= objective.begin:
        losses.append(objective.step_loss(y[:, None], moment.index, moment.counted))
    if pooled is not None and bool(moment.ended.any()):
        losses.append(objective.final_loss(pooled, moment.ended))
    return torch.stack(losses).sum() if losses else None


def zero_where(mask: Tensor | None, value: Tensor) -> Tensor:
    """Return `value` (B, ...), zero in the sequences that `mask` (B, 1) marks."""
    return value if mask is None else torch.where(mask.view(-1, *[1] * (value.dim() - 1)), 0.0, value)


def kept_where(mask: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """Return `new` (B, ...) in the sequences that `mask` (B, 1) marks, elsewhere `old`."""
    return torch.where(mask.view(-1, *[1] * (new.dim() - 1)), new, old)


def part_of(state: State | None, prefix: str) -> dict[str, Tensor]:
    """Return the components of a state whose names begin with `prefix`, without it."""
    values = {} if state is None else state.tensors()
    return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}


def detached_params(directions: list[Direction]) -> list[dict[str, Tensor]]:
    """Return the parameters of each direction as constants."""
    return [{name: value.detach() for name, value in direction.params.items()} for direction in directions]


def add_gradients(values: list[Tensor], gradients: list[Tensor]) -> None:
    """Add gradients to parameters, or to what parameters are computed into, such as a constrained matrix."""
    found = [(value, gradient) for value, gradient in zip(values, gradients, strict=True) if value.requires_grad]
    torch.autograd.backward([value for value, _ in found], [gradient.to(value.dtype) for value, gradient in found])
