"""Checks of the gradient through time: vanishing and exploding gradients."""

from __future__ import annotations

import math

import numpy as np

from ..evidence import Evidence, NoEvidenceError
from ..findings import Severity
from ..memory import MemoryProfile
from ..results import Array
from .base import Check, Measured, lower_rate
from .history import enough

MIN_LAGS = 10  # shorter sequences have no past to forget
LEARNED = 0.15  # of the training loss of random weights: what is needed has not vanished


def exploding(evidence: Evidence) -> Measured:
    """The largest growth of the gradient with the lag, in powers of ten."""
    return _growth(evidence, evidence.memory)


def exploding_at_start(evidence: Evidence) -> Measured:
    """The same for random weights: the gradient explodes before any step is taken."""
    return _growth(evidence, evidence.untrained_memory)


def vanishing(evidence: Evidence) -> Measured:
    """By how many powers of ten the gradient shrinks over the sequence, where little was learned; otherwise 0."""
    name, decades, norms = min(
        (
            (name, math.log10(max(norms.max(), 1e-30) / max(_end(norms), 1e-30)), norms)
            for name, norms in _rows(evidence.memory)
        ),
        key=lambda one: one[1],
    )
    enough(evidence)
    learned = evidence.learned
    gone = int(np.argmax(norms < 0.01 * norms.max())) if (norms < 0.01 * norms.max()).any() else len(norms)
    cell = evidence.run.task.cell.name
    facts = {
        "layer": name,
        "lag": str(gone),
        "steps": str(len(norms)),
        "learned": f"{learned:.0%}",
        "remedy": "pooling" if _pools_last(evidence) else "cell" if cell == "rnn" else "gated",
    }
    return Measured(decades if learned < LEARNED else 0.0, facts)


def _growth(evidence: Evidence, profile: MemoryProfile) -> Measured:
    name, norms = max(_rows(profile), key=lambda one: float(one[1].max() / one[1][0]))
    growth, lag = float(norms.max() / norms[0]), int(norms.argmax())
    facts = {
        "layer": name,
        "growth": f"{growth:.2g}",
        "lag": str(lag),
        "rate": lower_rate(evidence.training.learning_rate),
        "remedy": "clip"
        if evidence.training.clip_norm is None
        else "rate"
        if evidence.run.task.cell.name != "rnn"
        else "cell",
    }
    return Measured(math.log10(max(growth, 1e-30)) if math.isfinite(growth) else math.inf, facts)


def _rows(profile: MemoryProfile) -> list[tuple[str, Array]]:
    """Return the norms by lag of each layer and direction, with a gradient at lag 0, up to the last finite one."""
    found = []
    for name, row in zip(profile.rows, profile.by_lag, strict=True):
        norms = row[~np.isnan(row)]
        if len(norms) >= MIN_LAGS and norms[0] > 0:
            found.append((str(name), norms))
    if not found:
        raise NoEvidenceError(f"the sequences have fewer than {MIN_LAGS} time steps, or the loss has no gradient")
    return found


def _end(norms: Array) -> float:
    """Return the norm at the earliest steps: the largest one in the last quarter."""
    return float(norms[-max(len(norms) // 4, 1) :].max())


def _pools_last(evidence: Evidence) -> bool:
    return getattr(evidence.run.settings.model, "pooling", None) == "last"


EXPLODING_AT_START = Check("exploding_at_start", exploding_at_start, 2.3, Severity.serious)
EXPLODING = Check("exploding", exploding, 2.3, Severity.serious)
VANISHING = Check("vanishing", vanishing, 4.0, Severity.serious)
