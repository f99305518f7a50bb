"""The batches of an epoch: windows of the training part in random order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import final

import numpy as np

from ..base import Sampler
from .windows import Integers

MAX_WINDOWS = 1 << 16  # per epoch; every epoch draws a new random subset


@final
class ForecastSampler(Sampler):
    """Draws batches of windows. The key of a batch is an array of origins. All windows have the same length.

    origins            (N,) origins of the training part
    batch_size         approximate number of windows per batch; an epoch is divided into batches of nearly equal size
    seed               seed of the random order
    steps_per_window   number of time steps of a context and its horizon
    """

    def __init__(self, origins: Integers, batch_size: int, *, seed: int, steps_per_window: int) -> None:
        self.origins, self.batch_size = origins, batch_size
        self.seed, self.steps_per_window = seed, steps_per_window

    def epoch(self, number: int) -> Sequence[Integers]:
        """Return the keys of the batches of an epoch."""
        order = np.random.default_rng([self.seed, number]).permutation(len(self.origins))[:MAX_WINDOWS]
        return np.array_split(self.origins[order], max(math.ceil(len(order) / self.batch_size), 1))

    def time_steps(self, keys: Sequence[Integers]) -> np.ndarray:
        """Return the number of time steps of each batch, (len(keys),)."""
        return np.array([len(key) * self.steps_per_window for key in keys])

    def padding_fraction(self) -> float | None:
        """Return None, because windows are not padded."""
        return None
