"""The gradient of a batch by a rule: that of one objective, or of one for each member of an ensemble."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...nn import State
from ...tasks.base import Backward
from ...tasks.objective import Objective
from .base import GradientRule


def batch_gradient(
    rule: GradientRule, objectives: Sequence[Objective], state: State | None, backward: Backward
) -> tuple[Tensor, State | None]:
    """Add the gradient of all objectives. Returns the loss, detached, and the state for the next batch."""
    losses: list[Tensor] = []
    kept: dict[str, Tensor] = {}
    for number, objective in enumerate(objectives):
        prefix = f"{number}." if len(objectives) > 1 else ""
        own = None if state is None else State({
            name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)
        })  # fmt: skip
        loss, after = rule.gradient(objective, own, backward)
        losses.append(loss)
        kept |= {} if after is None else {prefix + name: value for name, value in after.items()}
    return torch.stack(losses).sum(), State(kept) if kept else None
