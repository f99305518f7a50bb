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


def weakness(metrics: dict[str, Any]) -> str | None:
    """Return a warning if a classifier has learned nothing, by its confusion matrix; None otherwise, or where there is none.

    That is: it predicts a single class, although the data contain several; or its accuracy is at most two standard errors above
    that of always predicting the most frequent class.
    """
    found = metrics.get("confusion", metrics.get("valid/confusion"))
    if not isinstance(found, dict):
        return None
    table = found["table"]
    rows, columns = [sum(row) for row in table], [sum(column) for column in zip(*table, strict=True)]
    predicted = [name for name, count in zip(found["classes"], columns, strict=True) if count]
    total, most = sum(rows), max(rows, default=0)
    if sum(count > 0 for count in rows) < 2:
        return None
    if len(predicted) == 1:
        return (
            f"warning: the model predicts the class {predicted[0]!r} for all {total:,} rows; it has learned nothing. More "
            "rows, more epochs or the default settings may help"
        )
    share, correct = most / total, sum(row[k] for k, row in enumerate(table))
    if correct <= total * (share + 2 * (share * (1 - share) / total) ** 0.5):
        return (
            f"warning: the accuracy of {correct / total:.3f} on {total:,} rows is not clearly above {share:.3f}, that of "
            "always predicting the most frequent class"
        )
    return None
