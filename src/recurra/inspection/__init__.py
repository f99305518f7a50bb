"""Inspection of recurrent layers and runs."""

from __future__ import annotations

from .fixed_points import FixedPoints, fixed_points, sweep
from .jacobian import Jacobian, Spectra, jacobian, spectra
from .lyapunov import Lyapunov, lyapunov
from .memory import Memory, memory
from .models import part
from .record import Recording, record

__all__ = ["FixedPoints", "Jacobian", "Lyapunov", "Memory", "Recording", "Spectra", "fixed_points", "jacobian", "lyapunov",
           "memory", "part", "record", "spectra", "sweep"]
