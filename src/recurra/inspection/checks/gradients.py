"""Checks of the gradient of the loss through time: vanishing and exploding gradients."""

from __future__ import annotations

import numpy as np

from ..evidence import Evidence, NoEvidenceError
from ..findings import Finding, Severity
from ..results import Array
from .base import Check, rounded

MIN_LAGS = 6  # shorter sequences have no past to forget
FACTOR_LOW = 0.3  # per step: 1 % remains after 4 steps; untrained rnn, lstm and gru of recurra keep more than half
FACTOR_HIGH = 1.5  # per step: a factor of 57 after 10 steps
GROWTH = 30.0  # in all; below, clipping deals with it


def vanishing(evidence: Evidence) -> Finding | None:
    """The gradient of the loss shrinks so fast that earlier steps do not take part in the learning."""
    name, factor, norms = min(_factors(evidence), key=lambda one: one[1])
    if factor >= FACTOR_LOW:
        return None
    gone = int(np.argmax(norms < 0.01 * norms[0])) if (norms < 0.01 * norms[0]).any() else len(norms)
    return Finding(
        "vanishing gradients",
        f"the gradient in {name} shrinks by a factor of {factor:.2g} per step; 1 % is left {gone} steps back, of {len(norms)}",
        "The network cannot learn from what happened earlier.",
        _remedy(evidence),
        Severity.serious,
    )


def exploding(evidence: Evidence) -> Finding | None:
    """The gradient of the loss grows with the distance in time."""
    name, factor, norms = max(_factors(evidence), key=lambda one: one[1])
    growth = float(norms.max() / norms[0])
    if factor < FACTOR_HIGH or growth < GROWTH:
        return None
    rate = evidence.training.learning_rate
    clip = "" if evidence.training.clip_norm is not None else "--set clip_norm=1.0 and "
    return Finding(
        "exploding gradients",
        f"the gradient in {name} grows by a factor of {factor:.2g} per step, {growth:.2g} times in {len(norms)} steps",
        "A step follows the earliest inputs alone, and may throw the weights far away.",
        f"{clip}--set learning_rate={rounded(rate / 10)}, or {_remedy(evidence)}",
        Severity.serious,
    )


def _factors(evidence: Evidence) -> list[tuple[str, float, Array]]:
    """For each layer and direction, the factor per step by which the norm of the gradient changes with the lag."""
    profile, found = evidence.memory, []
    for name, row in zip(profile.rows, profile.by_lag, strict=True):
        norms = row[np.isfinite(row)]
        if len(norms) >= MIN_LAGS and norms[0] > 0:
            lags = min(len(norms) - 1, 20)  # beyond, float32 may underflow
            found.append((str(name), float((max(norms[lags], 1e-30) / norms[0]) ** (1 / lags)), norms))
    if not found:
        raise NoEvidenceError(f"the sequences have fewer than {MIN_LAGS} time steps, or the loss has no gradient")
    return found


def _remedy(evidence: Evidence) -> str:
    gated = bool(evidence.run.task.cell.gates)
    return "--set num_layers=1" if gated else "--set cell=lstm"


VANISHING = Check("vanishing gradients", vanishing)
EXPLODING = Check("exploding gradients", exploding)
