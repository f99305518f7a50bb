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
    """1 minus the skill: Cohen's kappa of classes, r2 of a number, or the part of the loss of random weights that is gone.

    Kappa counts with its standard error in favor of the network.
    """
    lines, metrics = enough(evidence), evidence.run.metrics
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
        skill, measure = float(metrics["valid/r2"]), "r2"
    else:
        start = evidence.untrained_valid_loss
        if not start > 0:
            raise NoEvidenceError("the loss of random weights is not above 0")
        skill, measure = 1 - min(line["valid/loss"] for line in lines) / start, "loss"
    return Measured(1 - skill, {"skill": f"{skill:.2f}", "measure": measure})


NO_SKILL = Check("no_skill", no_skill, 0.9, Severity.broken)
