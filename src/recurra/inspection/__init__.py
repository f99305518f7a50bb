"""Inspection of recurrent layers and runs."""

from __future__ import annotations

from .jacobian import Jacobian, Spectra, jacobian, spectra
from .lyapunov import Lyapunov, lyapunov
from .models import part
from .record import Recording, record

__all__ = ["Jacobian", "Lyapunov", "Recording", "Spectra", "jacobian", "lyapunov", "part", "record", "spectra"]
