"""Small runs of a few tasks, with a fixed number of steps, several evaluations, dropout and averaged weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tiny_runs import TINY

import recurra
from recurra.errors import RunError
from recurra.run import Run
from recurra.training import resume

COMMON: dict[str, Any] = {
    "steps": 9,
    "num_evaluations": 3,
    "dropout": 0.2,
    "batch_size": 8,
    "ema_decay": 0.9,
    "patience": 50,
}
RUNS: dict[str, dict[str, Any]] = {
    "classify": COMMON | {"ensemble_size": 1, "adversarial_epsilon": 0.0},
    "language": COMMON | {"batch_size": 4, "bptt_length": 16, "batching": "sequential", "neural_cache_size": 20},
    "forecast": COMMON,
}  # the calibration of language and forecast writes the weights again


def train(task: str, folder: Path, name: str, **settings: Any) -> Run:
    """Train the run `folder/name`. The data are in `folder` and are written once."""
    return TINY[task](folder, name, **(RUNS[task] | settings))


def resumed(path: Path) -> Run | None:
    """Resume a run. None: there is no run folder, because the process was killed while it read the data."""
    if not path.exists():
        return None
    try:
        return resume(path)
    except RunError as error:
        if "this run is finished" in str(error):  # it was killed after its end
            return recurra.load(path)
        raise
