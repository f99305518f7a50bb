"""The numbers of one finished run: metric, parameters, time and memory of a step, gradient horizon."""

from __future__ import annotations

import json
import math

import numpy as np
import torch

from ..errors import UserError
from ..inspection.evidence import Evidence, evidence_of
from ..inspection.training_batches import training_without_dropout
from ..run import Run
from .results import RunNumbers

COPIES = 4  # of each weight: itself, its gradient, and two moments of the optimizer


def measure(run: Run) -> RunNumbers:
    """Return the numbers of a run; what needs its data is unknown where they cannot be read again."""
    metric = float(run.metrics[f"valid/{run.task.selection.metric}"])
    parameters = sum(weight.numel() for weight in run.network.parameters())
    with evidence_of(run, None) as evidence:
        seconds = seconds_per_step(evidence)
        try:
            memory = training_memory(evidence)
            rows = evidence.memory.horizon
            horizon = float(np.nanmax(rows)) if not np.isnan(rows).all() else math.nan
        except UserError:
            memory, horizon = 0, math.nan
    return RunNumbers(metric, parameters, seconds, memory, horizon)


def seconds_per_step(evidence: Evidence) -> float:
    """Return the mean time of a training step with its share of the evaluations; NaN where there was one evaluation."""
    lines = evidence.evaluations
    if len(lines) < 2 or lines[-1]["step"] <= lines[0]["step"]:
        return math.nan
    return float((lines[-1]["seconds"] - lines[0]["seconds"]) / (lines[-1]["step"] - lines[0]["step"]))


def training_memory(evidence: Evidence) -> int:
    """Return the bytes that a training step on the first batch keeps: weights with their copies, and saved activations."""
    network, (task, (batch, *_)) = evidence.run.network, evidence.data
    weights = {
        weight.untyped_storage().data_ptr(): weight.untyped_storage().nbytes() for weight in network.parameters()
    }
    saved: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    def back(tensor: torch.Tensor) -> torch.Tensor:
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(keep, back)
    with training_without_dropout(network), torch.enable_grad(), torch.random.fork_rng(), hooks:
        loss, _ = task.loss(network, batch.to(evidence.device), None, 1.0)
        del loss
    return COPIES * sum(weights.values()) + sum(saved.values())


def as_json(measured: RunNumbers) -> dict[str, object]:
    """Return the numbers for JSON, in which numbers that are not finite are text."""
    return {name: value if not isinstance(value, float) or math.isfinite(value) else str(value)
            for name, value in vars(measured).items()}  # fmt: skip


def from_json(values: dict[str, object]) -> RunNumbers:
    """Return what `as_json` wrote."""
    return RunNumbers(**{name: float(value) if isinstance(value, str) and name != "failed" else value
                       for name, value in values.items()})  # type: ignore[arg-type]  # fmt: skip


def curve_of(run: Run) -> list[tuple[int, float]]:
    """Return the validation loss by step."""
    lines = [json.loads(line) for line in (run.path / "history.jsonl").read_text(encoding="utf-8").splitlines()]
    return [
        (int(line["step"]), float(line["valid/loss"]))
        for line in lines
        if "valid/loss" in line and "train/loss" in line
    ]
