"""The head of an N-to-1 task: the loss, the metrics and the JSON of the network's outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from ..base import Batch, Selection


class Head(ABC):
    """Interprets the outputs of the network of an N-to-1 task. A head is the only class that a new kind of output needs.

    The network has a linear layer with `outputs` units after pooling. A head defines the loss of these outputs, the metrics
    of an evaluation, and the JSON of a prediction. Targets are `batch.targets[field.name]`, one for each example. Shapes:
    B is the batch size, C the number of outputs, M the size of an ensemble, N the number of examples of an evaluation.

    Example:
        A head for counts, with the Poisson loss. `SequenceTask.head` returns it.

        >>> import torch
        >>> from recurra.tasks.base import Batch, Selection
        >>> from recurra.tasks.shared import Head
        >>> class Counts(Head):
        ...     outputs = 1
        ...     selection = Selection("mae")
        ...     def combine(self, outputs):
        ...         return outputs.mean(0)
        ...     def losses(self, output, batch, training):
        ...         count = batch.targets["count"]
        ...         return torch.nn.functional.poisson_nll_loss(output.squeeze(1), count, reduction="none")
        ...     def metrics(self, outputs, targets):
        ...         return {"mae": (outputs.squeeze(1).exp() - targets["count"]).abs().mean()}
        ...     def decode(self, outputs):
        ...         return [{"count": rate} for rate in outputs.squeeze(1).exp().tolist()]
        >>> output, targets = torch.zeros(2, 1), {"count": torch.tensor([1.0, 3.0])}
        >>> Counts().losses(output, Batch({}, targets, valid=2, computed=2), None)
        tensor([1., 1.])
        >>> Counts().metrics(output, targets)
        {'mae': tensor(1.)}
    """

    @property
    @abstractmethod
    def outputs(self) -> int:
        """C, the number of outputs of the network for each example. It is read once the dataset is fitted."""

    @property
    @abstractmethod
    def selection(self) -> Selection:
        """The metric that selects the best weights. `metrics` must return it."""

    @abstractmethod
    def combine(self, outputs: Tensor) -> Tensor:
        """Combine the outputs of an ensemble, (M, B, C), into one output, (B, C)."""

    @abstractmethod
    def losses(self, output: Tensor, batch: Batch, training: Any) -> Tensor:
        """Return the loss of each example, (B,).

        Args:
            output: (B, C), with a gradient in training.
            batch: the batch, with the targets.
            training: the training settings; None in evaluation, where regularisation such as label smoothing is off.
        """

    @abstractmethod
    def metrics(self, outputs: Tensor, targets: dict[str, Tensor]) -> dict[str, Any]:
        """Return the metrics of all outputs of an evaluation, (N, C), by name. Values are numbers, or lists and dicts of them.

        Args:
            outputs: (N, C), float32, on the CPU.
            targets: (N,) or (N, ...) for each target field, on the CPU.
        """

    @abstractmethod
    def decode(self, outputs: Tensor) -> list[dict[str, Any]]:
        """Return a JSON-like dict for each example of the outputs (B, C), in order."""


@runtime_checkable
class HasBuffers(Protocol):
    """A head with values that are fitted to the validation part after training, such as thresholds.

    They are buffers of the network, so that they are stored with its weights.
    """

    def buffers(self) -> dict[str, Tensor]:
        """Return new buffers by name."""

    def with_buffers(self, buffers: Mapping[str, Tensor]) -> Head:
        """Return the head with the buffers of a network."""

    def fit_buffers(self, outputs: Tensor, targets: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
        """Fit the buffers to the outputs (N, C) of the validation part. Return them and messages."""
