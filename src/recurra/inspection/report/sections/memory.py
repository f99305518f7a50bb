"""Memory: the gradient by lag, of the run and of random weights."""

from __future__ import annotations

import numpy as np

from ...evidence import Evidence
from ...results import Array
from ..blocks import DASHED, Block, PageTexts, curves_of

POINTS = 400  # lags that are shown


def memory_section(evidence: Evidence, say: PageTexts) -> list[Block]:
    """Return the figure of the gradient by lag."""
    trained, untrained = evidence.memory, evidence.untrained_memory
    T = min(trained.by_lag.shape[1], untrained.by_lag.shape[1])
    lags = np.unique(np.linspace(0, T - 1, min(T, POINTS)).round().astype(int))
    curves = {}
    for profile, label, dash in ((trained, "memory.trained", ""), (untrained, "memory.untrained", DASHED)):
        for name, row in zip(profile.rows, profile.by_lag, strict=True):
            curves[f"{name}, {say(label)}{dash}"] = _relative(row)[lags]
    horizons = [
        say("memory.beyond", name=name, steps=T)
        if np.isinf(lag)
        else say("memory.horizon", name=name, lag=f"{lag:.0f}")
        for name, lag in zip(trained.rows, trained.horizon, strict=True)
        if not np.isnan(lag)
    ]
    facts = {"horizons": say("diagnosis.comma").join(horizons), "steps": str(T)}
    return [curves_of("by_lag", lags, curves, (say("memory.lag"), ""), log=True, facts=facts, wide=True)]


def _relative(row: Array) -> Array:
    """Return norms relative to the largest; those below 1e-8 are left out."""
    with np.errstate(invalid="ignore"):
        scaled = row / np.nanmax(row) if np.isfinite(row).any() and np.nanmax(row) > 0 else row * np.nan
        return np.where(scaled < 1e-8, np.nan, scaled)
