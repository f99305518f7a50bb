"""recurra: recurrent networks, from the textbook equation to a served stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Run", "__version__", "finetune", "inspection", "load", "nn", "train"]

if TYPE_CHECKING:
    from . import inspection, nn
    from .run import Run, load
    from .training import finetune, train

_HOMES = {"Run": "run", "load": "run", "train": "training", "finetune": "training"}


def __getattr__(name: str) -> Any:
    """Import torch and what depends on it only when a name that needs it is used (PEP 562)."""
    import importlib

    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    if name in ("inspection", "nn"):
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
