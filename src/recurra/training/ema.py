"""Exponential moving average of the weights: less noisy than the last step's weights. It is evaluated and saved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightEMA:
    """average <- d * average + (1 - d) * weights, with d = min(decay, (1 + n) / (10 + n)) at the n-th update.

    The rising d corrects the start, as in TensorFlow's ExponentialMovingAverage. With decay 0 the average is the weights.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay, self.updates = decay, 0
        self.weights = dict(network.named_parameters())
        self.averages = {name: value.detach().clone() for name, value in self.weights.items()} if decay else {}

    def update(self) -> None:
        """Add the current weights to the average."""
        if self.decay:
            self.updates += 1
            d = min(self.decay, (1 + self.updates) / (10 + self.updates))
            weights = [value.detach() for value in self.weights.values()]
            torch._foreach_lerp_(list(self.averages.values()), weights, 1 - d)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside this context the network computes with the average."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, average in self.averages.items():
            weights = self.weights[name]
            average.data, weights.data = weights.data, average.data

    def tensors(self) -> dict[str, Tensor]:
        """The averages by name, for a checkpoint."""
        return self.averages

    @torch.no_grad()
    def restore(self, tensors: dict[str, Tensor], updates: int) -> None:
        """Restore what a checkpoint contains."""
        self.updates = updates
        for name, average in self.averages.items():
            average.copy_(tensors[name])
