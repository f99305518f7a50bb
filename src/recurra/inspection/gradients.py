"""Norms of the gradient of a scalar with respect to the states of an unrolled layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..nn.unroll import Direction
from .results import Array


def independent(direction: Direction, t: int, state: Any) -> Any:
    """An edit for `unroll` that makes the components of a state independent variables: in an LSTM, h and c after a step."""
    return tuple(component.view_as(component) for component in state)


def gradient_norms(scalar: Tensor, states: dict[str, list[Any]]) -> Array:
    """Return the norm of the gradient of a scalar with respect to each state, (R, B, T), over all components.

    `states` are those of `unroll` with `edit=independent`.
    """
    names = list(states)
    flat = [component for name in names for state in states[name] for component in state]
    grads = iter(torch.autograd.grad(scalar, flat, retain_graph=True, allow_unused=True))
    norms = []
    for name in names:
        steps = []
        for state in states[name]:
            parts = [(component, next(grads)) for component in state]
            squares = [
                component.new_zeros(len(component)) if grad is None else grad.square().sum(1)
                for component, grad in parts
            ]
            steps.append(torch.stack(squares).sum(0))
        norms.append(torch.stack(steps, 1).sqrt())
    result: Array = torch.stack(norms).double().cpu().numpy()
    return result
