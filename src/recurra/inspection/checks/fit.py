"""Checks that compare the losses with those of a network with random weights: worse than untrained, shuffled labels."""

from __future__ import annotations

from ..evidence import Evidence
from ..findings import Finding, Severity
from .base import Check, rounded
from .history import enough

WORSE_THAN_UNTRAINED = 1.5  # the training loss divided by that of random weights; a healthy run ends below 1
FITTED = 0.8  # the training loss divided by that of random weights, below which the training data were learned
AT_CHANCE = 0.97  # the best validation loss divided by that of random weights, above which nothing carries over


def worse_than_untrained(evidence: Evidence) -> Finding | None:
    """The training loss at the end is far above that of random weights."""
    last, start = enough(evidence)[-1]["train/loss"], evidence.untrained[0]
    if not (start > 0 and last > WORSE_THAN_UNTRAINED * start):
        return None
    rate = evidence.training.learning_rate
    return Finding(
        "learning rate too high",
        f"the training loss is {last:.4g}; that of random weights is {start:.4g}",
        f"Steps with learning_rate={rate} threw the weights far away, and they did not come back.",
        f"--set learning_rate={rounded(rate / 10)}",
        Severity.broken,
    )


def shuffled_labels(evidence: Evidence) -> Finding | None:
    """The training data are fitted, and the validation loss was never better than that of random weights."""
    lines = enough(evidence)
    train_start, valid_start = evidence.untrained
    if train_start <= 0 or valid_start <= 0:
        return None
    train, valid = lines[-1]["train/loss"] / train_start, min(line["valid/loss"] for line in lines) / valid_start
    if train > FITTED or valid < AT_CHANCE:
        return None
    return Finding(
        "shuffled labels",
        f"of the loss of random weights, {train:.0%} remain in training, and {valid:.0%} in validation",
        "What was learned from the training part says nothing about the validation part: the answers do not follow from "
        "the inputs, or the two parts have different sources.",
        "look at the columns that are used: recurra describe FILE --task TASK; then name them with --set",
        Severity.broken,
    )


WORSE = Check("worse than random weights", worse_than_untrained)
SHUFFLED_LABELS = Check("shuffled labels", shuffled_labels)
