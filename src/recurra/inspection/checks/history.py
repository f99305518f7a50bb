"""Checks of the history: a loss that is not finite, a rate too low, overfitting, too few epochs."""

from __future__ import annotations

import math
from typing import Any

from ..evidence import Evidence, NoEvidenceError
from ..findings import Severity
from .base import Check, Measured, lower_rate, rounded

MIN_STEPS = 40  # in fewer steps neither a healthy nor a broken run moves far from its initial loss
MIN_EVALUATIONS = 4  # fewer points do not show a trend
MOVED = 0.05  # a smaller relative fall of the training loss is no learning
WEIGHT = 0.1  # the usual size of a weight at the start


def not_finite(evidence: Evidence) -> Measured:
    """1 where the training stopped at a loss that is not a finite number."""
    rate = evidence.training.learning_rate
    for line in evidence.history:
        value = line.get("not_finite", line.get("valid/loss"))
        if isinstance(value, str) or (isinstance(value, float) and not math.isfinite(value)):
            facts = {
                "loss": str(value),
                "step": f"{line['step'] + 1:,}",
                "rate": f"{rate:g}",
                "lower": lower_rate(rate),
            }
            return Measured(1.0, facts)
    return Measured(0.0)


def rate_too_low(evidence: Evidence) -> Measured:
    """The size of a weight divided by the length of the path that it can have moved, where the loss did not; otherwise 0."""
    lines = enough(evidence)
    path, rate = evidence.path_length, evidence.training.learning_rate
    first, last = lines[0]["train/loss"], lines[-1]["train/loss"]
    fell = (first - last) / max(abs(first), 1e-12)
    facts = {
        "fell": f"{max(fell, 0.0):.1%}",
        "steps": f"{evidence.steps:,}",
        "path": f"{path:.1g}",
        "rate": f"{rate:g}",
        "higher": rounded(max(10 * rate, 1e-3)),
    }
    return Measured(WEIGHT / path if abs(fell) < MOVED else 0.0, facts)


def overfitting(evidence: Evidence) -> Measured:
    """The rise of the validation loss over its minimum, relative to it, where the training loss fell; otherwise 0."""
    lines = enough(evidence)
    valid = [line["valid/loss"] for line in lines]
    at = min(range(len(valid)), key=valid.__getitem__)
    rise = (valid[-1] - valid[at]) / max(abs(valid[at]), 1e-12)
    fell = lines[-1]["train/loss"] < lines[at]["train/loss"]
    model = evidence.run.settings.model
    size = getattr(model, "hidden_size", None)
    facts = {
        "rise": f"{rise:.0%}",
        "step": f"{lines[at]['step']:,}",
        "dropout": rounded(min((getattr(model, "dropout", None) or 0.0) + 0.2, 0.7)),
        "size": str(max((size or 2) // 2, 1)),
    }
    return Measured(rise if fell else 0.0, facts)


def too_few_epochs(evidence: Evidence) -> Measured:
    """The fall of the validation loss in the last fifth of the steps, relative to the first one; 0 where it rose at the end."""
    lines = enough(evidence)
    valid = [line["valid/loss"] for line in lines]
    since = next((n for n, line in enumerate(lines) if line["step"] >= 0.8 * evidence.steps), len(lines) - 1)
    since = min(since, len(lines) - 2)
    fall = (valid[since] - valid[-1]) / max(abs(valid[0]), 1e-12)
    training, more = evidence.training, 2 * evidence.steps
    setting = f"--set steps={more}" if training.steps is not None else f"--set epochs={rounded(2 * training.epochs)}"
    if training.max_minutes is not None and training.steps is None:
        setting = f"--max-minutes {rounded(2 * training.max_minutes)}"
    facts = {"fall": f"{fall:.1%}", "steps": f"{evidence.steps:,}", "setting": setting}
    return Measured(fall if valid[-1] <= min(valid) else 0.0, facts)


def enough(evidence: Evidence) -> list[dict[str, Any]]:
    """Return the evaluations. Raises NoEvidenceError where they are too few to see a trend."""
    lines = evidence.evaluations
    if evidence.steps < MIN_STEPS or len(lines) < MIN_EVALUATIONS:
        raise NoEvidenceError(
            f"the run has {evidence.steps:,} steps and {len(lines)} evaluations; "
            f"a trend needs {MIN_STEPS} and {MIN_EVALUATIONS}"
        )
    return lines


NOT_FINITE = Check("not_finite", not_finite, 1.0, Severity.broken)
RATE_TOO_LOW = Check("rate_too_low", rate_too_low, 5.0, Severity.broken)
OVERFITTING = Check("overfitting", overfitting, 0.18, Severity.serious)
TOO_FEW_EPOCHS = Check("too_few_epochs", too_few_epochs, 0.03, Severity.notable)
