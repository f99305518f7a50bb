"""The search of `fixed_points`: Adam on the speed, then Newton's method, for many states at the same time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Map = Callable[[Tensor], Tensor]  # states (S, N) -> states after a step (S, N)
Jacobians = Callable[[Tensor], Tensor]  # states (S, N) -> Jacobians (S, N, N)

ADAM_STEPS = 200
NEWTON_STEPS = 40
CONVERGED = 1e-26  # speed at which a state is left alone
MEMORY = 2**24  # numbers in the Jacobians that are computed together


def speeds_of(F: Map, states: Tensor) -> Tensor:
    """Return the speed |F(s) - s|^2 / 2 of each state, (S,)."""
    return (F(states) - states).square().sum(1) / 2


def descend(F: Map, states: Tensor) -> Tensor:
    """Return the states after minimizing the speed of each by Adam, with a learning rate that falls from 0.02 to 0."""
    states = states.clone().requires_grad_()
    optimizer = torch.optim.Adam([states], lr=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, ADAM_STEPS)
    for _ in range(ADAM_STEPS):
        optimizer.zero_grad()
        with torch.enable_grad():
            speeds_of(F, states).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return states.detach()


def polish(F: Map, jacobians: Jacobians, states: Tensor) -> tuple[Tensor, Tensor]:
    """Return the states after Newton's method on F(s) - s = 0, and their speeds.

    A step is halved until the speed falls; a state whose speed does not fall any more stays where it is.
    """
    states = states.clone()
    with torch.no_grad():
        speeds = speeds_of(F, states)
        active = torch.ones(len(states), dtype=torch.bool, device=states.device)
        for _ in range(NEWTON_STEPS):
            active &= (speeds > CONVERGED) & speeds.isfinite()
            index = active.nonzero()[:, 0]
            if not len(index):
                break
            for part in torch.split(index, max(1, MEMORY // states.shape[1] ** 2)):
                before = states[part]
                step = _newton_step(F, jacobians, before)
                states[part], speeds[part], moved = _line_search(F, before, step, speeds[part])
                active[part] = moved
    return states, speeds


def _newton_step(F: Map, jacobians: Jacobians, states: Tensor) -> Tensor:
    """Return the Newton steps (S, N), regularized where the matrix is nearly singular."""
    identity = torch.eye(states.shape[1], dtype=states.dtype, device=states.device)
    matrix = jacobians(states) - identity
    residual = F(states) - states
    steps: Tensor
    steps, failed = torch.linalg.solve_ex(matrix, -residual)
    bad = (failed != 0) | ~steps.isfinite().all(1)
    if bad.any():
        normal = matrix[bad].mT @ matrix[bad] + 1e-10 * identity
        steps[bad] = torch.linalg.solve(normal, -(matrix[bad].mT @ residual[bad][:, :, None]))[:, :, 0]
    return steps


def _line_search(F: Map, states: Tensor, step: Tensor, speeds: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the new states, their speeds, and whether each has moved."""
    best, best_speeds, moved = states.clone(), speeds.clone(), torch.zeros_like(speeds, dtype=torch.bool)
    scale = 1.0
    for _ in range(8):
        trial = torch.where(moved[:, None], best, states + scale * step)
        trial_speeds = speeds_of(F, trial)
        better = ~moved & (trial_speeds < speeds)
        best, best_speeds = torch.where(better[:, None], trial, best), torch.where(better, trial_speeds, best_speeds)
        moved |= better
        if moved.all():
            break
        scale /= 2
    return best, best_speeds, moved
