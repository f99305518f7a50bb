"""`Mode`, one way in which PyTorch runs a layer, and the registry of all modes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from ..case import Case, Configuration
from ..observe import Found, values_and_gradients

Run = Callable[[Any, Case], Found]


@dataclass(frozen=True)
class Mode:
    """One row of the matrix.

    run             returns outputs and gradients of a layer in this mode, by name
    exact           returns the same of the plain loop, in ordinary operations
    autocast        the dtype of torch.autocast, under which the plain loop is measured too
    metadata_only   tensors have no values; shapes and dtypes are compared
    torchscript     the mode uses TorchScript, which the layers do not support: it need not work where it works in torch.nn
    always          RNN, LSTM, GRU and their cells must support the mode even where torch.nn does not
    refused         a pattern of messages by which PyTorch's own autograd refuses what the mode does, where no layer can know
    grid            which configurations run: see `case.entries_of`. A mode in which an entry takes seconds does not run all
    unavailable     returns the reason why the mode cannot run on this machine, or None
    skipped         returns the reason why the mode does not run a configuration, or None
    """

    name: str
    run: Run
    exact: Run = values_and_gradients
    autocast: torch.dtype | None = None
    metadata_only: bool = False
    torchscript: bool = False
    always: bool = False
    refused: str | None = None
    grid: str = "all"
    unavailable: Callable[[], str | None] = lambda: None
    skipped: Callable[[Configuration], str | None] = lambda configuration: None


MODES: dict[str, Mode] = {}


def mode(name: str, **options: Any) -> Callable[[Run], Run]:
    """Register the function below as the `run` of a mode."""

    def register(run: Run) -> Run:
        assert name not in MODES, f"the mode {name!r} is registered twice"
        MODES[name] = Mode(name, run, **options)
        return run

    return register
