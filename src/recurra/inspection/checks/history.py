"""Checks of the history: a loss that is not finite, the learning rate, overfitting, too few epochs."""

from __future__ import annotations

import math

from ..evidence import Evidence, NoEvidenceError
from ..findings import Finding, Severity
from .base import Check, rounded

MIN_STEPS = 40  # in fewer steps neither a healthy nor a broken run moves far from its initial loss
MIN_EVALUATIONS = 4  # with fewer points a trend cannot be told from noise
WORSE = 1.05  # the training loss at the end, divided by the smallest: the running mean of a healthy run ends near its minimum
BLOWN_UP = 3.0  # the largest validation loss divided by the first: the weights were thrown far away
MOVED = 0.01  # a smaller relative change of the training loss is no learning
MAX_PATH = (
    0.02  # the sum of all learning rates: what Adam can move a weight at most, compared with weights of about 0.1
)
RISE = 0.15  # the rise of the validation loss over its minimum, with a falling training loss
STILL_FALLING = 0.03  # the fall of the validation loss in the last fifth of the steps, relative to the loss


def not_finite(evidence: Evidence) -> Finding | None:
    """The training stopped at a loss that is not a finite number."""
    rate = evidence.training.learning_rate
    for line in evidence.history:
        value = line.get("not_finite", line.get("valid/loss"))
        if isinstance(value, str) or (isinstance(value, float) and not math.isfinite(value)):
            return Finding(
                "loss not finite",
                f"the loss is {value} at step {line['step'] + 1:,}",
                f"The training stopped; the weights had grown without limit, with learning_rate={rate}.",
                f"--set learning_rate={rounded(rate / 10)}",
                Severity.broken,
            )
    return None


def rate_too_high(evidence: Evidence) -> Finding | None:
    """The training loss ends above its minimum, or the validation loss was thrown far up."""
    lines = enough(evidence)
    train = [line["train/loss"] for line in lines]
    valid = [line["valid/loss"] for line in lines]
    rate = evidence.training.learning_rate
    remedy = f"--set learning_rate={rounded(rate / 10)}"
    explanation = f"Steps with learning_rate={rate} overshoot: the training data themselves are fitted worse."
    best = min(train)
    if best > 0 and train[-1] > WORSE * best:
        number = f"the training loss rose from {best:.4g} to {train[-1]:.4g}"
        return Finding("learning rate too high", number, explanation, remedy, Severity.broken)
    peak = max(valid)
    if valid[0] > 0 and peak > BLOWN_UP * valid[0] and train[valid.index(peak)] > train[0]:
        number = f"the validation loss rose from {valid[0]:.4g} to {peak:.4g}, together with the training loss"
        return Finding("learning rate too high", number, explanation, remedy, Severity.broken)
    return None


def rate_too_low(evidence: Evidence) -> Finding | None:
    """The loss did not move, and the learning rates do not allow the weights to move."""
    lines = enough(evidence)
    if evidence.training.optimizer not in ("adam", "adamw", "nadam", "rmsprop"):
        raise NoEvidenceError(
            f"with optimizer={evidence.training.optimizer} the rate does not limit the length of a step"
        )
    first, last = lines[0]["train/loss"], lines[-1]["train/loss"]
    changed = abs(last - first) / max(abs(first), 1e-12)
    rates = [line["learning_rate"] for line in lines]
    path = sum(rates) / len(rates) * evidence.steps
    if changed < MOVED and path < MAX_PATH:
        rate = evidence.training.learning_rate
        return Finding(
            "learning rate too low",
            f"the training loss changed by {changed:.2%} in {evidence.steps:,} steps; a weight can have moved by {path:.1g}",
            f"With learning_rate={rate} the network stays near its initial weights.",
            f"--set learning_rate={rounded(max(10 * rate, 1e-3))}",
            Severity.broken,
        )
    return None


def overfitting(evidence: Evidence) -> Finding | None:
    """The validation loss rises while the training loss falls."""
    lines = enough(evidence)
    valid = [line["valid/loss"] for line in lines]
    at = min(range(len(valid)), key=valid.__getitem__)
    rise = (valid[-1] - valid[at]) / max(abs(valid[at]), 1e-12)
    fell = lines[-1]["train/loss"] < lines[at]["train/loss"]
    if rise < RISE or not fell:
        return None
    dropout = evidence.run.settings.model.dropout
    remedy = f"more data, or --set dropout={rounded(min(dropout + 0.2, 0.7))} --set weight_decay=0.1"
    if size := getattr(evidence.run.settings.model, "hidden_size", None):
        remedy += f", or --set hidden_size={max(size // 2, 1)}"
    return Finding(
        "overfitting",
        f"the validation loss rose by {rise:.0%} from step {lines[at]['step']:,}, while the training loss fell",
        "The network learns the training examples by heart; the weights before the rise were kept.",
        remedy,
        Severity.serious,
    )


def too_few_epochs(evidence: Evidence) -> Finding | None:
    """The validation loss still falls at the end."""
    lines = enough(evidence)
    valid = [line["valid/loss"] for line in lines]
    since = next((n for n, line in enumerate(lines) if line["step"] >= 0.8 * evidence.steps), len(lines) - 1)
    since = min(since, len(lines) - 2)
    fall = (valid[since] - valid[-1]) / max(abs(valid[since]), 1e-12)
    if fall < STILL_FALLING or valid[-1] > min(valid):
        return None
    training, more = evidence.training, 2 * evidence.steps
    remedy = f"--set steps={more}" if training.steps is not None else f"--set epochs={rounded(2 * training.epochs)}"
    if training.max_minutes is not None and training.steps is None:
        remedy = f"--max-minutes {rounded(2 * training.max_minutes)}"
    return Finding(
        "too few epochs",
        f"the validation loss fell by {fall:.1%} in the last fifth of {evidence.steps:,} steps",
        "The training ended before the network had learned what it can.",
        remedy,
        Severity.notable,
    )


def enough(evidence: Evidence) -> list[dict[str, float]]:
    """The evaluations. Raises NoEvidenceError where they are too few to see a trend."""
    lines = evidence.evaluations
    if evidence.steps < MIN_STEPS or len(lines) < MIN_EVALUATIONS:
        raise NoEvidenceError(
            f"the run has {evidence.steps:,} steps and {len(lines)} evaluations; "
            f"a trend needs {MIN_STEPS} and {MIN_EVALUATIONS}"
        )
    return lines


NOT_FINITE = Check("loss not finite", not_finite)
RATE_TOO_HIGH = Check("learning rate too high", rate_too_high)
RATE_TOO_LOW = Check("learning rate too low", rate_too_low)
OVERFITTING = Check("overfitting", overfitting)
TOO_FEW_EPOCHS = Check("too few epochs", too_few_epochs)
