"""The interface of tasks, used by training, runs, the command line and streaming.

A task converts a file to batches, batches to a loss, and outputs of a network to JSON. It is assembled once and does not change
afterwards:

    given     = settings_from(as_given(MyTask.settings_class), ...)     the settings of the user
    dataset   = MyTask.dataset_for(given)                               reads, splits and encodes the data
    info      = dataset.prepare(...)                                    counts and statistics of the data
    settings  = MyTask.resolve(given, dataset, info)                    all settings have values
    task      = MyTask(settings, dataset, cell)

`Task`, `Dataset`, `Sampler` and `Session` are abstract; the classes that implement them are final. Optional abilities of a task
are the protocols of tasks/abilities.py: a task has an ability when it has the method. Data classes are in tasks/dataset.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor

from ..cells import Cell
from ..settings import Settings
from .abilities import (
    Backward,
    HasCalibration,
    HasGeneration,
    HasObjectives,
    HasPretrainedWeights,
    HasRehearsal,
    HasTrainingStep,
)
from .dataset import (
    Batch,
    DataQuality,
    Dataset,
    DatasetInfo,
    Description,
    OnProgress,
    Role,
    Sampler,
    chunked,
    device_of,
    ignore_progress,
    roles_of,
    used_columns,
)

__all__ = [
    "Backward",
    "Batch",
    "DataQuality",
    "Dataset",
    "DatasetInfo",
    "Description",
    "HasCalibration",
    "HasGeneration",
    "HasObjectives",
    "HasPretrainedWeights",
    "HasRehearsal",
    "HasTrainingStep",
    "Log",
    "OnProgress",
    "Role",
    "Sampler",
    "Selection",
    "Session",
    "Streaming",
    "Task",
    "chunked",
    "device_of",
    "ignore_progress",
    "roles_of",
    "used_columns",
]

Log = Callable[[str], None]
S = TypeVar("S", bound=Settings[Any, Any, Any])


@dataclass(frozen=True)
class Selection:
    """The metric that selects the best weights.

    Attributes:
        metric: the name of a metric that `Task.evaluate` returns.
        higher_is_better: the direction of the metric.
    """

    metric: str = "loss"
    higher_is_better: bool = False


class Session(ABC):
    """A stream of one sequence: chunks are pushed as they arrive, and the result so far is available at any time."""

    @abstractmethod
    def push(self, piece: Any) -> None:
        """Read the next chunk. Raises CallError for an invalid chunk, which leaves the session unchanged."""

    @abstractmethod
    def result(self) -> dict[str, Any]:
        """Return the result for the input so far, as if the sequence ended here. Pushing may continue."""

    def __enter__(self) -> Session:
        """Return the session."""
        return self

    def __exit__(self, *_: object) -> None:  # noqa: B027  most sessions have no resources
        """Release the resources of the session; by default there are none."""


@dataclass(frozen=True)
class Streaming:
    """Whether a trained network supports streaming.

    Attributes:
        open: creates a session for a network; None where streaming is not supported.
        reason: why streaming is not supported.
    """

    open: Callable[[torch.nn.Module], Session] | None = None
    reason: str = ""


class Task(ABC, Generic[S]):
    """A task: its settings, dataset, network, loss, metrics and predictions.

    `SequenceTask` implements everything for N-to-1 tasks but `dataset_for` and a head. A task with another shape implements
    this class. docs/custom-task.md describes both, with complete examples. Optional abilities are the protocols
    `HasTrainingStep`, `HasObjectives`, `HasPretrainedWeights`, `HasCalibration`, `HasRehearsal` and `HasGeneration`.

    Args:
        settings: the resolved settings.
        dataset: the dataset, fitted or loaded.
        cell: the recurrent cell.

    Attributes:
        name: the name on the command line.
        structure: the shape of the task, such as "N to 1".
        summary: one line for `recurra train --help`.
        settings_class: `Settings[MyData, MyModel, MyTraining]`; its fields are the options of the task.
        inference_settings: the settings, as "group.name", that can be changed for a trained run.

    The methods are called in this order. Training: `dataset_for`, `Dataset.prepare`, `resolve`, the constructor, `network`,
    `load_pretrained`, `rehearse`; for each step `sampler`, `batch`, `loss` or `training_step`; for each evaluation
    `evaluate(network, None, ...)`; then `calibrate`. Inference: `predict`, `evaluate`, `streaming` and `generate`. Evaluation
    and inference run without gradients and in evaluation mode. The `network` that a method receives was created by `network()`.

    Example:
        >>> from functools import cached_property
        >>> from recurra.fields import Label, Series
        >>> from recurra.settings import ClassTraining, Settings
        >>> from recurra.tasks.classify.classification import Classification
        >>> from recurra.tasks.shared import EncoderModel, RowData, RowDataset, SequenceTask, SeriesInput
        >>> class Gestures(SequenceTask[Settings[RowData, EncoderModel, ClassTraining]]):
        ...     name, structure, summary = "gestures", "N to 1", "a class for each gesture"
        ...     settings_class = Settings[RowData, EncoderModel, ClassTraining]
        ...     @classmethod
        ...     def dataset_for(cls, settings):
        ...         return RowDataset(settings, [Label("label")], SeriesInput(Series("window")))
        ...     @cached_property
        ...     def head(self):
        ...         return Classification(self.dataset.target(Label))
        >>> from recurra.testing import check_task
        >>> check_task(Gestures, [{"window": [0.1, 0.5], "label": "up"}, {"window": [0.9], "label": "down"}] * 8)
    """

    name: ClassVar[str]
    structure: ClassVar[str]
    summary: ClassVar[str]
    settings_class: ClassVar[type[Settings[Any, Any, Any]]]
    inference_settings: ClassVar[tuple[str, ...]] = ()

    def __init__(self, settings: S, dataset: Any, cell: Cell) -> None:
        self.settings, self.dataset, self.cell = settings, dataset, cell

    # before training -----------------------------------------------------------------------------------------------
    @classmethod
    @abstractmethod
    def dataset_for(cls, settings: S) -> Dataset:
        """Return a new dataset. Open settings may be None in `settings`."""

    @classmethod
    @abstractmethod
    def resolve(cls, settings: S, dataset: Any, info: DatasetInfo) -> S:
        """Return `settings.fill(...)`, which gives values to open settings.

        Args:
            settings: the settings of the user.
            dataset: the fitted dataset.
            info: counts and statistics; messages for the user can be added to `info.messages`.
        """

    @abstractmethod
    def network(self) -> torch.nn.Module:
        """Return a new network with random weights."""

    # training ------------------------------------------------------------------------------------------------------
    @property
    @abstractmethod
    def selection(self) -> Selection:
        """The metric that selects the best weights. `evaluate` must return it."""

    @abstractmethod
    def sampler(self) -> Sampler:
        """Return the sampler of the training part."""

    @abstractmethod
    def batch(self, key: Any) -> Batch:
        """Return the training batch of a key of the sampler."""

    @abstractmethod
    def loss(self, network: Any, batch: Batch, state: Any, progress: float) -> tuple[Tensor, Any]:
        """Return the mean loss of a batch, with a gradient, and the state for the next batch.

        Args:
            network: the network, in training mode.
            batch: the batch, on the device of the network.
            state: the state that the previous batch returned, or None; for truncated backpropagation through time.
            progress: progress of the training from 0 to 1, for schedules.

        Returns:
            The loss, a scalar tensor, in nats for a likelihood; and a detached `recurra.nn.State` or None.
        """

    # use -----------------------------------------------------------------------------------------------------------
    @abstractmethod
    def evaluate(self, network: Any, data: str | Path | None, on_progress: OnProgress) -> dict[str, Any]:
        """Return the metrics by name, with `loss` on the validation part.

        Args:
            network: the network, in evaluation mode.
            data: a file to evaluate on; None: the validation part.
            on_progress: called with the number of examples of each batch.
        """

    @abstractmethod
    def predict(self, network: Any, examples: Sequence[Any]) -> list[dict[str, Any]]:
        """Return a JSON-like dict for each example, in order. Raises CallError for an example that cannot be used."""

    @abstractmethod
    def streaming(self) -> Streaming:
        """Return whether and how the task supports streaming."""
