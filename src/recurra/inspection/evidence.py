"""The facts on which the checks of a diagnosis are based. Each is computed once, when a check asks for it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.random import fork_rng as forked

from ..errors import CallError, UserError
from ..evaluation import evaluate
from ..nn.base import RecurrentBase
from ..nn.unroll import directions_of
from ..run import Run
from ..tasks.base import Batch, DataQuality, Task
from .examples import calls_of
from .gates import GateStatistics, gates
from .memory import MemoryProfile, profile_of_loss
from .models import layer_of
from .training_batches import gradients_on, training_batches, training_without_dropout


class NoEvidenceError(UserError):
    """A check cannot be done; the message is the reason."""


class Evidence:
    """The history of a run, its settings, and what its network does on its training data.

    A property raises NoEvidenceError, or another UserError, where it cannot be known.
    """

    def __init__(self, run: Run, source: str | None, open_data: Callable[[], tuple[Task[Any], list[Batch]]]) -> None:
        self.run, self.source, self._open_data = run, source, open_data
        self.training = run.settings.training
        self._failed: UserError | None = None

    # the run folder ------------------------------------------------------------------------------------------------
    @cached_property
    def history(self) -> list[dict[str, Any]]:
        """The lines of history.jsonl."""
        file = self.run.path / "history.jsonl"
        try:
            return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        except (OSError, ValueError) as error:
            raise NoEvidenceError(f"{file} cannot be read: {error}") from None

    @cached_property
    def evaluations(self) -> list[dict[str, Any]]:
        """The evaluations of the training in order, with finite losses."""
        lines = [line for line in self.history if "valid/loss" in line and line.get("train/loss") is not None]
        return [line for line in lines if math.isfinite(line["valid/loss"])]

    @property
    def steps(self) -> int:
        """The number of steps that were taken."""
        return max((int(line["step"]) for line in self.history), default=0)

    # the data ------------------------------------------------------------------------------------------------------
    @cached_property
    def data(self) -> tuple[Task[Any], list[Batch]]:
        """The task with the training data, and the first batches."""
        if self._failed is None:
            try:
                return self._open_data()
            except UserError as error:
                self._failed = error
        raise NoEvidenceError(str(self._failed))

    @cached_property
    def quality(self) -> DataQuality:
        """Unknown tokens, classes, and shared examples."""
        quality: DataQuality = self.data[0].dataset.quality()
        return quality

    @cached_property
    def layer(self) -> RecurrentBase:
        """The first recurrent layer of the network."""
        return layer_of(self.run)

    # the network ---------------------------------------------------------------------------------------------------
    @cached_property
    def untrained(self) -> tuple[float, float]:
        """The loss of a network with random weights: on the first training batches, and on the validation part."""
        task, _ = self.data
        with forked():
            torch.manual_seed(self.training.seed)
            network = task.network()
        return self._loss(network), float(evaluate(task, network)["loss"])

    @cached_property
    def trained(self) -> tuple[float, float]:
        """The same for the best weights of the run."""
        return self._loss(self.run.network), float(evaluate(self.data[0], self.run.network)["loss"])

    def _loss(self, network: torch.nn.Module) -> float:
        task, batches = self.data
        device = next(network.parameters()).device
        with training_without_dropout(network), torch.no_grad(), forked():
            torch.manual_seed(0)
            losses = [float(task.loss(network, batch.to(device), None, 1.0)[0]) for batch in batches]
        return sum(losses) / len(losses)

    @cached_property
    def memory(self) -> MemoryProfile:
        """The gradient of the loss by lag."""
        found = gradients_on(self.run, *self.data, self.layer)
        return profile_of_loss(found, [d.name for d in directions_of(self.layer)])

    @cached_property
    def inputs(self) -> tuple[Tensor, Tensor | None]:
        """What the layer reads in the first training batch: x (B, T, I) and lengths (B,)."""
        task, (batch, *_) = self.data
        device = next(self.run.network.parameters()).device
        with calls_of(self.layer) as calls, training_without_dropout(self.run.network), torch.no_grad(), forked():
            task.loss(self.run.network, batch.to(device), None, 1.0)
        if not calls:
            raise CallError("the first recurrent layer reads nothing in a training batch")
        return calls[0].x, calls[0].lengths

    @cached_property
    def carried(self) -> Any:
        """The state that the loss of a batch returns for the next one, or None."""
        task, (batch, *_) = self.data
        device = next(self.run.network.parameters()).device
        with training_without_dropout(self.run.network), torch.no_grad(), forked():
            return task.loss(self.run.network, batch.to(device), None, 1.0)[1]

    @cached_property
    def gates(self) -> GateStatistics:
        """Saturation, dead and constant units on the first training batch."""
        x, lengths = self.inputs
        layer = self.layer
        if not getattr(layer, "batch_first", True):
            x = x.transpose(0, 1)
        return gates(layer, x, lengths)


@contextmanager
def evidence_of(run: Run, data: str | Path | None) -> Iterator[Evidence]:
    """Yield the evidence of a run, whose training data are read when a check needs them."""
    with ExitStack() as stack:
        named = (run.config.get("source") or {}).get("data") if data is None else str(data)
        yield Evidence(run, named, lambda: stack.enter_context(training_batches(run, data)))
