"""The sections of the report, in order. Each is a function of the evidence, the diagnosis and the language."""

from __future__ import annotations

from .curves import curves
from .data import data_facts
from .dynamics import dynamics
from .gates import gate_section
from .memory import memory_section
from .predictions import predictions
from .repeat import repeat

SECTIONS = {
    "curves": curves,
    "memory": memory_section,
    "gates": gate_section,
    "dynamics": dynamics,
    "predictions": predictions,
    "data": data_facts,
    "repeat": repeat,
}
