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

from ..data import sets
from ..errors import CallError, UserError
from ..evaluation import evaluate
from ..nn.base import RecurrentBase
from ..nn.patch import recurrent_of
from ..nn.unroll import directions_of
from ..run import Run
from ..tasks.base import Batch, DataQuality, Task
from .examples import calls_of
from .gates import GateStatistics, gates
from .memory import MemoryProfile, memory, profile_of_loss
from .models import layer_of
from .record import Recording, record
from .training_batches import gradients_on, training_batches, training_without_dropout

ADAPTIVE = ("adam", "adamw", "nadam", "rmsprop")  # a step changes a weight by at most about the learning rate


class NoEvidenceError(UserError):
    """A check cannot be done; the message is the reason."""


class Evidence:
    """The history of a run, its settings, and what its network does on its training data.

    A property raises NoEvidenceError, or another UserError, where it cannot be known.

    Args:
        run: a trained run.
        source: the training data: a file, a folder or the name of a built-in dataset; None where it is not known.
        open_data: returns the task with the training data, and the first batches.
    """

    def __init__(self, run: Run, source: str | None, open_data: Callable[[], tuple[Task[Any], list[Batch]]]) -> None:
        self.run, self._source, self._open_data = run, source, open_data
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

    @cached_property
    def steps(self) -> int:
        """The number of steps that were taken."""
        return max((int(line["step"]) for line in self.history), default=0)

    @cached_property
    def path_length(self) -> float:
        """The sum of the learning rates of all steps: how far an adaptive optimizer can move a weight at most."""
        if self.training.optimizer not in ADAPTIVE:
            raise NoEvidenceError(
                f"with optimizer={self.training.optimizer} the rate does not limit the length of a step"
            )
        rates = [line["learning_rate"] for line in self.history]
        return float(sum(rates) / len(rates) * self.steps)

    # the data ------------------------------------------------------------------------------------------------------
    @cached_property
    def file(self) -> Path:
        """The file or folder of the training data."""
        if self._source is None:
            raise NoEvidenceError("config.yaml does not name the training data")
        path = sets.make(self._source) if self._source in sets.known() else Path(self._source)
        if not path.exists():
            raise NoEvidenceError(f"the training data, {self._source}, are not there")
        return path

    @cached_property
    def data(self) -> tuple[Task[Any], list[Batch]]:
        """The task with the training data, and the first batches."""
        if self._failed is None:
            try:
                return self._open_data()
            except UserError as error:
                self._failed = error
        raise self._failed

    @cached_property
    def quality(self) -> DataQuality:
        """Unknown tokens, classes, and shared examples."""
        quality: DataQuality = self.data[0].dataset.quality()
        return quality

    # the network ---------------------------------------------------------------------------------------------------
    @cached_property
    def layer(self) -> RecurrentBase:
        """The first recurrent layer of the network."""
        return layer_of(self.run)

    @cached_property
    def untrained(self) -> torch.nn.Module:
        """A network of the same task with random weights."""
        task, _ = self.data
        with forked():
            torch.manual_seed(self.training.seed)
            network: torch.nn.Module = task.network().to(self.device)
        return network.eval()

    @property
    def device(self) -> torch.device:
        """The device of the network."""
        return next(self.run.network.parameters()).device

    @cached_property
    def train_losses(self) -> tuple[float, float]:
        """The loss on the first training batches, without dropout: of random weights, and of the run."""
        return self._loss(self.untrained), self._loss(self.run.network)

    @property
    def learned(self) -> float:
        """The fraction by which the training loss is below that of random weights; 0 where nothing was learned."""
        before, after = self.train_losses
        return 1 - after / before if before > 0 and math.isfinite(after) else 0.0

    def _loss(self, network: torch.nn.Module) -> float:
        task, batches = self.data
        with training_without_dropout(network), torch.no_grad(), forked():
            torch.manual_seed(0)
            losses = [float(task.loss(network, batch.to(self.device), None, 1.0)[0]) for batch in batches]
        return sum(losses) / len(losses)

    @cached_property
    def memory(self) -> MemoryProfile:
        """The gradient by lag with respect to the states of the first recurrent layer of the run."""
        return self._memory(self.run.network, self.layer)

    @cached_property
    def untrained_memory(self) -> MemoryProfile:
        """The same for random weights."""
        return self._memory(self.untrained, recurrent_of(self.untrained)[1])

    def _memory(self, network: torch.nn.Module, layer: RecurrentBase) -> MemoryProfile:
        """The gradient of the loss; in a task with a loss at every step, which would hide it, that of the last output."""
        if self.run.task.structure.startswith("N to N"):
            x, lengths = self._inputs(network, layer)
            return memory(layer, x, lengths, outputs=0)
        found = gradients_on(network, *self.data, layer)
        return profile_of_loss(found, [d.name for d in directions_of(layer)])

    def _inputs(self, network: torch.nn.Module, layer: RecurrentBase) -> tuple[Tensor, Tensor | None]:
        """What a layer reads in the first training batch, in its own layout, and lengths (B,)."""
        task, (batch, *_) = self.data
        with calls_of(layer) as calls, training_without_dropout(network), torch.no_grad(), forked():
            task.loss(network, batch.to(self.device), None, 1.0)
        if not calls:
            raise CallError("the first recurrent layer reads nothing in a training batch")
        return calls[0].x, calls[0].lengths

    @cached_property
    def carried(self) -> Any:
        """The state that the loss of a batch returns for the next one, or None."""
        task, (batch, *_) = self.data
        with training_without_dropout(self.run.network), torch.no_grad(), forked():
            return task.loss(self.run.network, batch.to(self.device), None, 1.0)[1]

    @cached_property
    def gates(self) -> GateStatistics:
        """Saturation, dead and constant units on the first training batch."""
        return gates(self.layer, *self._inputs(self.run.network, self.layer))

    @cached_property
    def untrained_gates(self) -> GateStatistics:
        """The same for random weights."""
        layer = recurrent_of(self.untrained)[1]
        return gates(layer, *self._inputs(self.untrained, layer))

    @cached_property
    def recording(self) -> Recording:
        """States and gates of the first recurrent layer on the first training batch."""
        return record(self.layer, *self._inputs(self.run.network, self.layer))

    def untrained_metric(self, name: str) -> float:
        """A metric of random weights on the validation part."""
        return float(self._untrained_metrics[name])

    @cached_property
    def _untrained_metrics(self) -> dict[str, Any]:
        return evaluate(self.data[0], self.untrained)


@contextmanager
def evidence_of(run: Run, data: str | Path | None) -> Iterator[Evidence]:
    """Yield the evidence of a run, whose training data are read when a check needs them."""
    with ExitStack() as stack:
        named = (run.config.get("source") or {}).get("data") if data is None else str(data)
        yield Evidence(run, named, lambda: stack.enter_context(training_batches(run, data)))
