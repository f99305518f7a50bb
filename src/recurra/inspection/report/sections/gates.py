"""Gates: saturation, time constants, dead units, and the states of one sequence."""

from __future__ import annotations

import numpy as np

from ....errors import UserError
from ...evidence import Evidence
from ..blocks import Block, Figure, Note, PageTexts, curves_of, numbers

UNITS, STEPS = 128, 200  # of the picture of the states


def gate_section(evidence: Evidence, say: PageTexts) -> list[Block]:
    """Return the figures of time constants, of saturation and of the states."""
    found, blocks = evidence.gates, list[Block]()
    if found.time_constants:
        n = max(map(len, found.time_constants.values()))
        x = np.linspace(0, 100, n)
        curves = {name: np.interp(x, np.linspace(0, 100, len(one)), one) for name, one in found.time_constants.items()}
        every = np.concatenate(list(found.time_constants.values()))
        facts = {"half": f"{np.median(every):.3g}", "long": f"{np.quantile(every, 0.95):.3g}"}
        labels = say("gates.units"), say("gates.steps")
        blocks.append(curves_of("constants", x, curves, labels, log=True, facts=facts))
    if found.low:
        points = [{"label": name, "x": numbers(found.low[name]), "y": numbers(found.high[name])} for name in found.low]
        values = {"series": points, "xLabel": say("gates.low"), "yLabel": say("gates.high"), "x": [0, 1], "y": [0, 1]}
        blocks.append(Figure("saturation", "points", values))
    else:
        blocks.append(Note(say("gates.none", cell=evidence.run.task.cell.name)))
    dead = sum(int(one.sum()) for one in found.dead.values())
    constant = sum(int(one.sum()) for one in found.constant.values())
    units = sum(len(one) for one in found.dead.values())
    blocks.append(Note(say("gates.dead", dead=dead, constant=constant, units=units)))
    try:
        blocks.append(_states(evidence, say))
    except UserError as error:
        blocks.append(Note(say("report.missing", reason=str(error))))
    return blocks


def _states(evidence: Evidence, say: PageTexts) -> Figure:
    """Return the picture of the states of the longest sequence of the first batch."""
    recording = evidence.recording
    name, states = next(iter(recording.states.items()))
    longest = int(recording.lengths.argmax())
    picture = states[longest, : int(recording.lengths[longest])][:STEPS, :UNITS].T
    values = {"values": [numbers(row, 3) for row in picture], "xLabel": say("gates.time"), "yLabel": say("gates.unit")}
    return Figure("states", "heat", values, {"name": name}, wide=True)
