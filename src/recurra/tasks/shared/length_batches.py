"""Training in batches of rows of like length: what every task over rows shares, whatever its network makes of a row."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from ...data.store.batching import LengthBatches
from .row_dataset import RowReader


class ByLength(RowReader):
    """The key of a batch is an array of numbers of rows, those of the training part as they are stored."""

    @abstractmethod
    def _lengths(self) -> np.ndarray:
        """Steps of each row, (N,): rows of like length go into one batch."""

    def _trained_on(self) -> np.ndarray:
        """The numbers of the rows that are trained on: all."""
        return np.arange(len(self.lengths))

    @cached_property
    def lengths(self) -> np.ndarray:
        return self._lengths()

    @cached_property
    def trained(self) -> np.ndarray:
        return self._trained_on()

    @cached_property
    def batches(self) -> LengthBatches:
        """Of places in `trained`."""
        training = self.settings.training
        assert training.batch_size is not None  # choose() has filled it
        return LengthBatches(self.lengths[self.trained], training.batch_size, seed=training.seed)

    def train_batches(self, epoch: int) -> Sequence[np.ndarray]:
        return [self.trained[places] for places in self.batches.epoch(epoch)]

    def cost(self, keys: Sequence[np.ndarray]) -> np.ndarray:
        return np.array([len(rows) * max(int(self.lengths[rows].max()), 1) for rows in keys])

    def padding(self, epoch: int = 0) -> float:
        """Share of an epoch's computed steps that is padding."""
        return self.batches.padding_share(self.batches.epoch(epoch))
