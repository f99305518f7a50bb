"""The sampler of tasks with one example per row: batches of sequences of similar length."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import final

import numpy as np

from ...data.store.batching import LengthBatches
from ..base import Sampler


@final
class LengthSampler(Sampler):
    """Samples batches of sequences of similar length, which keeps padding small. A key is an array of row indices.

    Args:
        lengths: number of time steps of each sequence of the training part, (N,).
        batch_size: number of sequences in a batch.
        seed: seed of the shuffling.
        rows: indices of the sequences to train on. None: all.
        steps_per_item: time steps that the network computes for each step of a sequence.
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
        """Batches of positions in `rows`."""
        return LengthBatches(self.lengths[self.rows], self.batch_size, seed=self.seed)

    def epoch(self, number: int) -> Sequence[np.ndarray]:
        """The batches of an epoch, each an array of row indices, in shuffled order."""
        return [self.rows[positions] for positions in self._batches.epoch(number)]

    def time_steps(self, keys: Sequence[np.ndarray]) -> np.ndarray:
        """The time steps of each batch, padding included, (len(keys),)."""
        return self.steps_per_item * np.array([len(rows) * max(int(self.lengths[rows].max()), 1) for rows in keys])

    def padding_fraction(self) -> float:
        """The fraction of time steps that is padding in the first epoch."""
        return self._batches.padding_fraction(self._batches.epoch(0))
