"""The moving average of the weights: less noisy than the last step's, and what is evaluated and kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """average <- d * average + (1 - d) * weights, with d = min(decay, (1 + n) / (10 + n)) at the n-th update.

    The rising d is the correction for the start (as in TensorFlow's ExponentialMovingAverage). Decay 0: the weights.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay, self.updates = decay, 0
        self.live = dict(network.named_parameters())
        self.kept = {name: value.detach().clone() for name, value in self.live.items()} if decay else {}

    def update(self) -> None:
        """Take the weights of this step in."""
        if self.decay:
            self.updates += 1
            d = min(self.decay, (1 + self.updates) / (10 + self.updates))
            torch._foreach_lerp_(list(self.kept.values()), [value.detach() for value in self.live.values()], 1 - d)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the network computes with the average."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, kept in self.kept.items():
            live = self.live[name]
            kept.data, live.data = live.data, kept.data

    def tensors(self) -> dict[str, Tensor]:
        return self.kept

    @torch.no_grad()
    def restore(self, tensors: dict[str, Tensor], updates: int) -> None:
        self.updates = updates
        for name, kept in self.kept.items():
            kept.copy_(tensors[name])
