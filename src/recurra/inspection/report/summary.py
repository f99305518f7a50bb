"""The first sentence of the report: what was trained, on which data, how good it is, compared with which baseline."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...errors import UserError
from ..evidence import Evidence
from ..findings import Diagnosis
from .blocks import PageTexts


def summary(evidence: Evidence, diagnosis: Diagnosis, say: PageTexts) -> list[str]:
    """Return the sentences of the summary."""
    run, config = evidence.run, evidence.run.config
    model, resolved = run.settings.model, config["resolved"]
    dataset, source = resolved.get("dataset", {}), (config.get("source") or {}).get("data")
    sentences = [
        say(
            "summary.what",
            task=run.task.name,
            cell=model.cell,
            layers=model.num_layers,
            hidden=model.hidden_size,
            parameters=f"{resolved.get('parameters', 0):,}",
            data=str(source).rpartition("/")[2] or "?",
            rows=f"{dataset.get('rows', 0):,}",
            steps=f"{evidence.steps:,}",
        ),
        _quality(evidence, say),
    ]
    if diagnosis.findings:
        first = diagnosis.findings[0]
        sentences.append(
            say("summary.problem", cause=first.text("name", say.language), remedy=first.text("remedy", say.language))
        )
    else:
        sentences.append(say("summary.healthy", path=run.path))
    return sentences


def _quality(evidence: Evidence, say: PageTexts) -> str:
    """Return the sentence about the best metric and its baseline."""
    run = evidence.run
    name = run.task.selection.metric
    value = run.metrics.get(f"valid/{name}")
    shown = f"{value:.4g}" if isinstance(value, int | float) else "?"
    try:
        of, baseline = baseline_of(evidence, say)
    except UserError as error:
        return say("summary.no_baseline", metric=name, value=shown, reason=str(error))
    return say("summary.quality", metric=name, value=shown, baseline=of, reference=f"{baseline:.4g}")


def baseline_of(evidence: Evidence, say: PageTexts) -> tuple[str, float]:
    """Return what the selecting metric is compared with, and its value.

    The largest class for classes, the mean for a number, and a network with random weights for anything else.
    Raises UserError where it needs data that are not there.
    """
    metrics: dict[str, Any] = evidence.run.metrics
    name = evidence.run.task.selection.metric
    if name == "accuracy" and "valid/confusion" in metrics:
        table = np.array(metrics["valid/confusion"]["table"], float)
        return say("summary.largest_class"), float(table.sum(1).max() / max(table.sum(), 1))
    if name in ("rmse", "mse") and "valid/r2" in metrics and metrics["valid/r2"] < 1:
        variance = metrics["valid/mse"] / (1 - metrics["valid/r2"])
        return say("summary.mean"), math.sqrt(variance) if name == "rmse" else variance
    if name == "loss":
        return say("summary.random"), evidence.untrained_metric("loss")
    return say("summary.random"), evidence.untrained_metric(name)
