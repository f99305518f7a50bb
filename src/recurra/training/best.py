"""The best weights of a run, and early stopping."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ..evaluation import named, numbers
from ..files import link_or_copy, replacing, write_json
from ..tasks.base import Selection
from ..weights import named_weights, save_tensors


class BestWeights:
    """Keeps the weights and metrics of the best evaluation in the run folder.

    A checkpoint keeps them as well: a process may be killed after new weights were written and before the checkpoint, and
    calibration changes the weights in the run folder.

    best              the metrics of the best evaluation and its step; None before the first one
    bad_evaluations   evaluations since then
    metrics           all metrics of the best evaluation, as metrics.json has them
    """

    def __init__(self, folder: Path, selection: Selection, patience: int) -> None:
        self.folder, self.selection, self.patience = folder, selection, patience
        self.best: dict[str, Any] | None = None
        self.bad_evaluations = 0
        self.metrics: dict[str, Any] = {}

    @property
    def should_stop(self) -> bool:
        """Whether the metric has not improved for as many evaluations as the settings allow."""
        return self.bad_evaluations >= self.patience

    @property
    def reason_to_stop(self) -> str:
        """Why a run stops early."""
        return f"no better {self.selection.metric} in {self.bad_evaluations} evaluations"

    def offer(self, step: int, metrics: dict[str, Any], network: torch.nn.Module) -> None:
        """Keep the weights if they are the best so far. The metrics are those of the network as it is."""
        plain = numbers(metrics)
        if self.best is None or self._key(plain) < self._key(self.best):
            self.best, self.bad_evaluations, self.metrics = {"step": step, **plain}, 0, named(metrics)
            self.write(metrics, network)
        else:
            self.bad_evaluations += 1

    def _key(self, metrics: dict[str, Any]) -> tuple[float, float]:
        """The smaller, the better; of equal metrics the loss decides."""
        sign = -1 if self.selection.higher_is_better else 1
        return sign * metrics[self.selection.metric], metrics["loss"]

    def write(self, metrics: dict[str, Any], network: torch.nn.Module) -> None:
        """Put weights and metrics into the run folder."""
        save_tensors(self.weights, named_weights(network))
        write_json(self.folder / "metrics.json", named(metrics))

    def record(self) -> dict[str, Any]:
        """Return the values that a checkpoint stores."""
        return {"best": self.best, "bad_evaluations": self.bad_evaluations, "metrics": self.metrics}

    def restore(self, record: dict[str, Any], weights: Path) -> None:
        """Continue from the values of `record` and the file of the best weights: the run folder has them afterwards."""
        self.best, self.bad_evaluations, self.metrics = record["best"], record["bad_evaluations"], record["metrics"]
        if self.best is None:  # metrics of a later evaluation, after which the process was killed
            (self.folder / "metrics.json").unlink(missing_ok=True)
            return
        with replacing(self.weights) as beside:
            link_or_copy(weights, beside)
        write_json(self.folder / "metrics.json", self.metrics)

    @property
    def weights(self) -> Path:
        """The file of the best weights."""
        return self.folder / "model.safetensors"

    def note(self) -> str:
        """The best value of the metric, for the progress bar."""
        return "" if self.best is None else f" {self.selection.metric} {self.best[self.selection.metric]:.3f}"

    def not_finite(self, value: float, step: int, learning_rate: float) -> str:
        """The message for a loss that is not a finite number."""
        if self.best is None:
            kept = f"there was no evaluation before, so {self.folder} cannot be used"
        else:
            kept = f"the last good weights, those of step {self.best['step']}, are kept in {self.folder}"
        return (
            f"the loss became {value} at step {step + 1}; {kept}. Try a smaller learning_rate (it was {learning_rate})"
        )
