"""The lines that training prints before it begins."""

from __future__ import annotations

from typing import Any

import torch

from ..data.ahead import available_cores
from ..data.sources.inspect.facts import FileFacts
from ..settings import TrainingSettings
from ..tasks.base import Task
from .clock import TrainingClock
from .schedule import StepSchedule

MIN_READING = 5.0  # seconds after which the speed of reading is of interest


def described(
    training: TrainingSettings,
    schedule: StepSchedule,
    clock: TrainingClock,
    *,
    step: int,
    epoch_steps: int,
    max_steps: int,
    timed: bool,
) -> str:
    """Describe the main settings, the number of steps, and the expected time.

    epoch_steps   number of batches of an epoch
    max_steps     number of steps without a time limit
    timed         whether the clock sets the number of steps
    """
    epochs, threads = schedule.total / epoch_steps, torch.get_num_threads()
    line = (
        f"{training.optimizer}, learning rate {training.learning_rate:g}, batches of {training.batch_size}, "
        f"{schedule.total:,} steps ({epochs:.1f} epochs), {threads} thread{'s' if threads > 1 else ''}"
    )
    if clock.work:
        left = clock.per_step * (schedule.total - step) + clock.evaluations * clock.per_evaluation
        line += f"; about {minutes(left)} left"
        if clock.budget is not None and schedule.total == max_steps and clock.seconds + left < clock.budget:
            line += f", less than the time limit: more than {training.epochs:g} epochs would overfit"
    if epochs < 1 and timed:
        line += "; the time limit is shorter than one epoch: a longer one would give a better model"
    return line


def minutes(seconds: float) -> str:
    """A duration in seconds or minutes."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def reading_speed(facts: FileFacts | None, seconds: float) -> list[str]:
    """Return a line about the speed at which a file was read and encoded, if that took longer than `MIN_READING` seconds."""
    if facts is None or not facts.size or seconds < MIN_READING:
        return []
    megabytes, cores = facts.size / 1e6, available_cores()
    return [
        f"read and encoded in {seconds:.1f} s: {megabytes:,.1f} MB, {megabytes / seconds:.1f} MB/s, "
        f"{cores} core{'s' * (cores > 1)}"
    ]


def described_network(task: Task[Any], network: torch.nn.Module) -> str:
    """Describe the network in one line."""
    model = task.settings.model.model_dump()
    count = sum(parameter.numel() for parameter in network.parameters())
    streaming = task.streaming()
    both = ", bidirectional" if model.get("bidirectional") else ""
    several = f"ensemble of {members}, each " if (members := model.get("ensemble_size") or 1) > 1 else ""
    return (
        f"{several}{model['cell']} {model['num_layers']} x {model['hidden_size']}{both}, {count / 1e6:.2f} million "
        f"parameters; streaming: {'yes' if streaming.open else f'no ({streaming.reason})'}"
    )
