"""The metrics of a network on a part of the data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from .tasks.base import OnProgress, Task, ignore_progress
from .tasks.contract import check_metrics


def evaluate(
    task: Task[Any],
    network: torch.nn.Module,
    data: str | Path | None = None,
    on_progress: OnProgress = ignore_progress,
) -> dict[str, Any]:
    """The task's metrics in evaluation mode, without gradients; on the validation part where `data` is None."""
    before = network.training
    network.eval()
    try:
        with torch.no_grad():
            return check_metrics(task, "evaluate", task.evaluate(network, data, on_progress))
    finally:
        network.train(before)


def numbers(metrics: dict[str, Any]) -> dict[str, Any]:
    """Those metrics that are one number."""
    return {name: value for name, value in metrics.items() if isinstance(value, int | float)}


def named(metrics: dict[str, Any]) -> dict[str, Any]:
    """Metrics as history.jsonl and metrics.json name them."""
    return {f"valid/{name}": value for name, value in metrics.items()}
