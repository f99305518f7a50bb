"""What an N-to-1 task makes of the network's outputs: loss, metrics and JSON. Each kind of output has its own class."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor

from ..base import Batch, Selection


class Head(ABC):
    """The output of an N-to-1 task. Targets are `batch.targets[field.name]`, one for each row."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """C, how many numbers the network gives for a row."""

    @property
    @abstractmethod
    def selection(self) -> Selection:
        """The metric that selects the best weights."""

    @abstractmethod
    def combine(self, outputs: Tensor) -> Tensor:
        """One output (B, C) from those of M networks, (M, B, C)."""

    @abstractmethod
    def losses(self, output: Tensor, batch: Batch, training: Any) -> Tensor:
        """The loss of each row, (B,), of the output (B, C). `training`: the settings of the group, or None in evaluation."""

    @abstractmethod
    def metrics(self, outputs: Tensor, targets: dict[str, Tensor]) -> dict[str, Any]:
        """The metrics of the outputs (N, C) on a whole part."""

    @abstractmethod
    def decode(self, outputs: Tensor) -> list[dict[str, Any]]:
        """One JSON-like object for each row of the outputs (B, C)."""
