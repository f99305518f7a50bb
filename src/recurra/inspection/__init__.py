"""Inspection of recurrent networks: what they remember, what their gates do, and where their dynamics lead.

The functions accept a run of recurra, a layer of recurra.nn, or RNN, LSTM or GRU of torch.nn, and return named NumPy arrays
that can be saved, plotted and shown in a notebook. See docs/inspection.md.

    models.py arguments.py         what is inspected; states and inputs as vectors
    examples.py training_batches.py   the data of a run
    results.py charts.py           what is returned, and its figures
    diagnosis.py evidence.py findings.py checks/   the problems of a run
    report/ texts/                                 the page about a run, and the texts in each language
"""

from __future__ import annotations

from .attention import Alignment, attention
from .attribution import Attribution, attribution
from .diagnosis import diagnose
from .features import UnitFeatures, inside_quotes, position_in_line, unit_features
from .findings import Diagnosis, Finding, NotDone, Severity
from .fixed_points import FixedPoints, fixed_points, sweep
from .gates import GateStatistics, gates
from .jacobian import Jacobian, Spectra, jacobian, spectra
from .lyapunov import Lyapunov, lyapunov
from .memory import MemoryProfile, memory
from .models import part
from .record import Recording, record
from .report import inspect_run
from .similarity import Similarity, similarity

__all__ = [
    "Alignment",
    "Attribution",
    "Diagnosis",
    "Finding",
    "FixedPoints",
    "GateStatistics",
    "Jacobian",
    "Lyapunov",
    "MemoryProfile",
    "NotDone",
    "Recording",
    "Severity",
    "Similarity",
    "Spectra",
    "UnitFeatures",
    "attention",
    "attribution",
    "diagnose",
    "fixed_points",
    "gates",
    "inside_quotes",
    "inspect_run",
    "jacobian",
    "lyapunov",
    "memory",
    "part",
    "position_in_line",
    "record",
    "similarity",
    "spectra",
    "sweep",
    "unit_features",
]
