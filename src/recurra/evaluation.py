"""The figures of a network on a part of the data, and its weights as they are kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from .tasks.base import Task


def evaluate(
    task: Task, network: torch.nn.Module, data: str | Path | None = None, tick: Callable[[int], Any] = lambda _: None
) -> dict[str, Any]:
    """The task's figures in evaluation mode, without gradients."""
    before = network.training
    network.eval()
    try:
        with torch.no_grad():
            return task.evaluate(network, data, tick)
    finally:
        network.train(before)


def numbers(figures: dict[str, Any]) -> dict[str, Any]:
    """Those figures that are one number."""
    return {name: value for name, value in figures.items() if isinstance(value, int | float)}


def named(figures: dict[str, Any]) -> dict[str, Any]:
    """Figures as history.jsonl and metrics.json name them."""
    return {f"valid/{name}": value for name, value in figures.items()}


def weights(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The parameters and buffers by name; a tensor with two names (tied weights) once."""
    seen: set[int] = set()
    kept = {}
    for name, value in network.state_dict(keep_vars=True).items():
        if id(value) not in seen:
            seen.add(id(value))
            kept[name] = value
    return kept
