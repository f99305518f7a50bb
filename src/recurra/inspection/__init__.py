"""Inspection of recurrent networks: what they remember, what their gates do, and where their dynamics lead.

The functions accept a run of recurra, a layer of recurra.nn, or RNN, LSTM or GRU of torch.nn, and return named NumPy arrays
that can be saved, plotted and shown in a notebook. See docs/inspection.md.

    models.py arguments.py         what is inspected; states and inputs as vectors
    examples.py training_batches.py   the data of a run
    results.py charts.py           what is returned, and its figures
"""

from __future__ import annotations

from .fixed_points import FixedPoints, fixed_points, sweep
from .jacobian import Jacobian, Spectra, jacobian, spectra
from .lyapunov import Lyapunov, lyapunov
from .memory import MemoryProfile, memory
from .models import part
from .record import Recording, record

__all__ = [
    "FixedPoints",
    "Jacobian",
    "Lyapunov",
    "MemoryProfile",
    "Recording",
    "Spectra",
    "fixed_points",
    "jacobian",
    "lyapunov",
    "memory",
    "part",
    "record",
    "spectra",
    "sweep",
]
