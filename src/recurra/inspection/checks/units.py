"""Checks of the gates and units of the recurrent layer."""

from __future__ import annotations

from ..evidence import Evidence, NoEvidenceError
from ..findings import Finding, Severity
from .base import Check, rounded

SATURATED = 0.8  # of the values of all gates of a layer; trained networks are below 0.6
DEAD = 0.25  # of the units of a layer


def saturated_gates(evidence: Evidence) -> Finding | None:
    """Nearly all gates are at their limits, where their gradient is close to 0."""
    found = evidence.gates
    if not found.low:
        raise NoEvidenceError(f"the cell {evidence.run.task.cell.name} has no gates")
    by_part: dict[str, list[float]] = {}
    for name in found.low:
        by_part.setdefault(name.rpartition(".")[0], []).append(float((found.low[name] + found.high[name]).mean()))
    means = {name: sum(values) / len(values) for name, values in by_part.items()}
    name = max(means, key=means.__getitem__)
    if means[name] < SATURATED:
        return None
    rate = evidence.training.learning_rate
    return Finding(
        "saturated gates",
        f"{means[name]:.0%} of the values of the gates in {name} are below 0.1 or above 0.9",
        "There the gradient of a gate is close to 0: its weights hardly learn any more.",
        f"--set learning_rate={rounded(rate / 10)} --set weight_decay=0.1; inputs in numbers must be scaled",
        Severity.serious,
    )


def dead_units(evidence: Evidence) -> Finding | None:
    """Many units are 0 at every time step."""
    dead = evidence.gates.dead
    fractions = {name: float(one.mean()) for name, one in dead.items()}
    name = max(fractions, key=fractions.__getitem__)
    if fractions[name] < DEAD:
        return None
    rate = evidence.training.learning_rate
    options = evidence.run.settings.model.cell_options
    tanh = "--set 'cell_options={nonlinearity: tanh}', or " if options.get("nonlinearity") == "relu" else ""
    return Finding(
        "dead units",
        f"{int(dead[name].sum())} of {len(dead[name])} units in {name} are 0 at every time step",
        "The gradient through a relu unit that is always 0 is 0: it never learns.",
        f"{tanh}--set learning_rate={rounded(rate / 10)}",
        Severity.serious,
    )


SATURATED_GATES = Check("saturated gates", saturated_gates)
DEAD_UNITS = Check("dead units", dead_units)
