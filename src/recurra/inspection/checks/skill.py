"""Check of the skill on the validation part: whether what was learned says anything about new examples."""

from __future__ import annotations

import math

import numpy as np

from ..evidence import Evidence, NoEvidenceError
from ..findings import Severity
from .base import Check, Measured
from .history import enough

MIN_ROWS = 30  # validation examples; with fewer, chance alone gives much agreement


def no_skill(evidence: Evidence) -> Measured:
    """1 minus the skill on the validation part: Cohen's kappa of classes, or r2 of a number.

    Kappa counts with its standard error in favor of the network.
    """
    enough(evidence)
    metrics = evidence.run.metrics
    if "valid/confusion" in metrics:
        table = np.array(metrics["valid/confusion"]["table"], float)
        rows = table.sum()
        if rows < MIN_ROWS:
            raise NoEvidenceError(f"the validation part has {rows:.0f} examples; a skill needs {MIN_ROWS}")
        by_chance = float(table.sum(0) @ table.sum(1)) / rows**2
        accuracy = float(np.trace(table)) / rows
        if by_chance >= 1:
            raise NoEvidenceError("the validation part has one class")
        kappa = (accuracy - by_chance) / (1 - by_chance)
        error = math.sqrt(accuracy * (1 - accuracy) / rows) / (1 - by_chance)
        facts = {"accuracy": f"{accuracy:.1%}", "chance": f"{by_chance:.1%}", "skill": f"{kappa:.2f}"}
        return Measured(1 - kappa - error, facts | {"measure": "kappa"})
    if "valid/r2" in metrics:
        skill = float(metrics["valid/r2"])
        return Measured(1 - skill, {"skill": f"{skill:.2f}", "measure": "r2"})
    raise NoEvidenceError("the task has no classes and no number to predict")


def nothing_learned(evidence: Evidence) -> Measured:
    """The smallest validation loss, divided by that of random weights."""
    best, start = min(line["valid/loss"] for line in enough(evidence)), evidence.untrained_metric("loss")
    if not start > 0:
        raise NoEvidenceError("the loss of random weights is not above 0")
    return Measured(best / start, {"best": f"{best:.4g}", "start": f"{start:.4g}"})


NO_SKILL = Check("no_skill", no_skill, 0.85, Severity.broken)
NOTHING_LEARNED = Check("nothing_learned", nothing_learned, 0.97, Severity.broken)
