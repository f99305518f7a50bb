"""What training reports before it begins."""

from __future__ import annotations

import torch

from ..settings import TrainingSettings
from .clock import Clock
from .schedule import Plan


def described(
    training: TrainingSettings, plan: Plan, clock: Clock, *, step: int, epoch_steps: int, longest: int, timed: bool
) -> str:
    """The settings that matter, the number of steps, and the expected time.

    `epoch_steps`: batches of an epoch; `longest`: the steps that no clock ends; `timed`: whether the clock may end them.
    """
    passes, threads = plan.total / epoch_steps, torch.get_num_threads()
    line = (
        f"{training.optimizer}, learning rate {training.learning_rate:g}, batches of {training.batch_size}, "
        f"{plan.total:,} steps ({passes:.1f} passes), {threads} thread{'s' if threads > 1 else ''}"
    )
    if clock.work:
        left = clock.per_step * (plan.total - step) + clock.evaluations * clock.per_evaluation
        line += f"; about {minutes(left)} to go"
        if clock.budget is not None and plan.total == longest and clock.seconds + left < clock.budget:
            line += f", less than allowed: more than {training.epochs:g} passes (epochs) would learn it by heart"
    if passes < 1 and timed:
        line += "; the minutes allowed are less than one pass over the data: more would make a better model"
    return line


def minutes(seconds: float) -> str:
    """A duration in seconds or minutes."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
