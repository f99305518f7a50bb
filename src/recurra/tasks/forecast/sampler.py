"""The batches of an epoch: windows of the training part in random order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import final

import numpy as np

from ..base import Sampler
from .windows import Integers

MAX_WINDOWS = 1 << 16  # of an epoch; the next epoch draws others


@final
class ForecastSampler(Sampler):
    """The key of a batch is an array of origins. All windows have the same length, so there is no padding.

    origins            of the training part
    batch_size         windows of a batch, about: an epoch is divided evenly
    steps_per_window   time steps of a window and its horizon
    """

    def __init__(self, origins: Integers, batch_size: int, *, seed: int, steps_per_window: int) -> None:
        self.origins, self.batch_size = origins, batch_size
        self.seed, self.steps_per_window = seed, steps_per_window

    def epoch(self, number: int) -> Sequence[Integers]:
        order = np.random.default_rng([self.seed, number]).permutation(len(self.origins))[:MAX_WINDOWS]
        return np.array_split(self.origins[order], max(math.ceil(len(order) / self.batch_size), 1))

    def time_steps(self, keys: Sequence[Integers]) -> np.ndarray:
        return np.array([len(key) * self.steps_per_window for key in keys])

    def padding_fraction(self) -> float | None:
        return None
