"""Checks of the gates and units of the recurrent layer."""

from __future__ import annotations

from ..evidence import Evidence, NoEvidenceError
from ..findings import Severity
from ..gates import GateStatistics
from .base import Check, Measured, lower_rate

CANDIDATES = ("g", "n")  # values of tanh, whose saturation does not stop the flow of the state


def saturated_gates(evidence: Evidence) -> Measured:
    """The largest fraction, over layers and directions, of the values of gates that are below 0.1 or above 0.9."""
    return _saturated(evidence, evidence.gates)


def saturated_at_start(evidence: Evidence) -> Measured:
    """The same for random weights: the gates are saturated before any step is taken."""
    return _saturated(evidence, evidence.untrained_gates)


def _saturated(evidence: Evidence, found: GateStatistics) -> Measured:
    by_part: dict[str, list[float]] = {}
    for name in found.low:
        part, _, gate = name.rpartition(".")
        if gate not in CANDIDATES:
            by_part.setdefault(part, []).append(float((found.low[name] + found.high[name]).mean()))
    if not by_part:
        raise NoEvidenceError(f"the cell {evidence.run.task.cell.name} has no gates")
    means = {name: sum(values) / len(values) for name, values in by_part.items()}
    name = max(means, key=means.__getitem__)
    facts = {"layer": name, "percent": f"{means[name]:.0%}", "rate": lower_rate(evidence.training.learning_rate)}
    return Measured(means[name], facts)


def dead_units(evidence: Evidence) -> Measured:
    """The largest fraction, over layers and directions, of units that are 0 at every time step."""
    dead = evidence.gates.dead
    fractions = {name: float(one.mean()) for name, one in dead.items()}
    name = max(fractions, key=fractions.__getitem__)
    relu = evidence.run.settings.model.cell_options.get("nonlinearity") == "relu"
    facts = {
        "layer": name,
        "dead": str(int(dead[name].sum())),
        "units": str(len(dead[name])),
        "rate": lower_rate(evidence.training.learning_rate),
        "remedy": "relu" if relu else "rate",
    }
    return Measured(fractions[name], facts)


DEAD_UNITS = Check("dead_units", dead_units, 0.25, Severity.serious)
SATURATED_AT_START = Check("saturated_at_start", saturated_at_start, 0.5, Severity.serious)
SATURATED_GATES = Check("saturated", saturated_gates, 0.7, Severity.serious)
