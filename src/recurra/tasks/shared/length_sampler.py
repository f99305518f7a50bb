"""Batches of variable-length sequences of similar length: the sampler of every task over rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import final

import numpy as np

from ...data.store.batching import LengthBatches
from ..base import Sampler


@final
class LengthSampler(Sampler):
    """The key of a batch is an array of row numbers of the training part.

    lengths          time steps of each row, (N,)
    batch_size       rows of a batch
    rows             the numbers of the rows to train on; all by default
    steps_per_item   time steps that the network computes for each step of a row
    """

    def __init__(
        self,
        lengths: np.ndarray,
        batch_size: int,
        *,
        seed: int,
        rows: np.ndarray | None = None,
        steps_per_item: int = 1,
    ) -> None:
        self.lengths, self.batch_size, self.seed, self.steps_per_item = lengths, batch_size, seed, steps_per_item
        self.rows = np.arange(len(lengths)) if rows is None else rows

    @cached_property
    def _batches(self) -> LengthBatches:
        """Of places in `rows`."""
        return LengthBatches(self.lengths[self.rows], self.batch_size, seed=self.seed)

    def epoch(self, number: int) -> Sequence[np.ndarray]:
        return [self.rows[places] for places in self._batches.epoch(number)]

    def time_steps(self, keys: Sequence[np.ndarray]) -> np.ndarray:
        return self.steps_per_item * np.array([len(rows) * max(int(self.lengths[rows].max()), 1) for rows in keys])

    def padding_fraction(self) -> float:
        return self._batches.padding_fraction(self._batches.epoch(0))
