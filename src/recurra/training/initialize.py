"""Initialization and constraints of a new network, as the settings specify. They act on the recurrent layers of every task."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import torch
from torch import nn

from ..errors import CallError, SettingError
from ..nn import constraints
from ..nn.base import RecurrentBase
from ..nn.cell_parameters import cells_in
from ..nn.init import chrono_, identity_, orthogonal_per_gate_
from ..settings import Settings
from ..tasks.base import Task


def check_layer_settings(settings: Settings[Any, Any, Any]) -> None:
    """Raise an error for settings of initialization and constraints that are invalid whatever the data."""
    model = settings.model
    if model.chrono_steps is not None and model.initialization != "chrono":
        raise SettingError(
            f"chrono_steps is {model.chrono_steps}, and initialization is {model.initialization}; set initialization=chrono"
        )
    constraints.check(model.recurrent_constraints)


def initialize(task: Task[Any], network: nn.Module) -> list[str]:
    """Initialize the recurrent layers of a new network. Returns a message about what was chosen.

    Raises CallError if a cell does not support the initialization.
    """
    model = task.settings.model
    kind = model.initialization
    if kind == "default":
        return []
    layers = list(dict.fromkeys(cell.module for cell in cells_in(network)))
    if kind == "orthogonal":
        for layer in layers:
            orthogonal_per_gate_(layer)
    elif kind == "identity":
        identity_(network)
    else:
        steps, source = model.chrono_steps, "chrono_steps"
        if steps is None:
            steps, source = longest_sequence(task, network), "the longest sequence of the training part"
        if steps < 3:
            raise CallError(f"chrono initialization needs sequences of at least 3 time steps; {source} is {steps}")
        chrono_(network, steps)
        return [f"chrono initialization: the units keep their state for 1 to {steps:,} time steps ({source})"]
    return [f"{kind} initialization of the recurrent weights"]


def longest_sequence(task: Task[Any], network: nn.Module) -> int:
    """Return the largest number of time steps that a recurrent layer runs in the batch with the longest sequences."""
    keys = task.sampler().epoch(0)
    rows = [len(key) if hasattr(key, "__len__") else 1 for key in keys]
    longest = int(np.argmax(task.sampler().time_steps(keys) / np.maximum(rows, 1)))
    steps: Counter[nn.Module] = Counter()

    def count(layer: Any, args: tuple[Any, ...], output: Any) -> None:
        steps[layer] += output[0].shape[0 if getattr(layer, "batch_first", True) is False else 1]

    hooks = [layer.register_forward_hook(count) for layer in network.modules() if isinstance(layer, RecurrentBase)]
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():  # the random state of the training is not affected
            task.loss(network, task.batch(keys[longest]), None, 0.0)
    finally:
        for hook in hooks:
            hook.remove()
    return max(steps.values(), default=0)


def constrain(network: nn.Module, settings: Settings[Any, Any, Any]) -> list[str]:
    """Apply the constraints of the settings. A run folder will contain the constrained weights. Returns a message."""
    chosen = settings.model.recurrent_constraints
    if not chosen:
        return []
    generator = torch.Generator().manual_seed(settings.training.seed)
    constraints.apply(network, chosen, generator)
    for _, owner, name in constraints.constrained(network):
        for one in constraints.maps_of(owner, name):
            one.saved_as_result = True
    shown = ", ".join(name if value is True else f"{name} {value}" for name, value in chosen.items())
    return [f"constraints on the recurrent matrices: {shown}"]
