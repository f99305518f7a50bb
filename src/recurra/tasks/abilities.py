"""Optional abilities of tasks, as protocols: a task has an ability when it has the method.

`tasks/base.py` exports these names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from .dataset import Batch, OnProgress
from .objective import Objective


class Backward(Protocol):
    """Adds the gradient of a loss to the gradients of the parameters."""

    def __call__(self, loss: Tensor, weight: float = 1.0) -> None:
        """Add the gradient of `weight * loss`. Where a step has several losses, the sum of their weights is 1: penalties on the
        weights and activations are added to each loss."""


@runtime_checkable
class HasTrainingStep(Protocol):
    """A task that computes the gradient of a step itself, for instance for adversarial training."""

    def training_step(
        self, network: torch.nn.Module, batch: Batch, state: Any, progress: float, backward: Backward
    ) -> tuple[Tensor, Any]:
        """Call `backward(loss)` once, or `backward(loss, weight)` several times, which accumulates gradients.

        Returns what `Task.loss` returns.
        """


@runtime_checkable
class HasObjectives(Protocol):
    """A task whose loss can be computed in windows of time steps, so that it supports gradient rules (docs/regimes.md)."""

    def objectives(self, network: torch.nn.Module, batch: Batch) -> Sequence[Objective]:
        """Return objectives whose sum is what `loss` returns: one, or one for each member of an ensemble."""


@runtime_checkable
class HasPretrainedWeights(Protocol):
    """A task whose network can be initialized with pretrained weights."""

    def load_pretrained(self, network: torch.nn.Module, on_progress: OnProgress) -> list[str]:
        """Load pretrained weights into a new network and return messages. Not called when a run is opened or resumed."""


@runtime_checkable
class HasCalibration(Protocol):
    """A task that fits buffers of the network to the validation part after training, such as a temperature."""

    @property
    def calibration_time(self) -> float:
        """The time budget of `calibrate` and of the evaluation after it, in units of one evaluation; 0 skips calibration."""

    def calibrate(self, network: torch.nn.Module) -> list[str]:
        """Fit the buffers of the best network, in evaluation mode. Return messages; an empty list means no change."""


@runtime_checkable
class HasRehearsal(Protocol):
    """A task that checks the return values of its components before training."""

    def rehearse(self, network: torch.nn.Module) -> None:
        """Evaluate a few examples without gradients. Raises CallError for a wrong return value."""


@runtime_checkable
class HasGeneration(Protocol):
    """A task that generates text."""

    def generate(self, network: torch.nn.Module, prompt: str, length: int | None, **options: Any) -> Iterator[str]:
        """Yield chunks of text as they are generated."""
