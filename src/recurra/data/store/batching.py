"""Length bucketing: batches of sequences with similar lengths, which contain little padding.

The examples are shuffled, sorted by length within pools of many batches, and divided into batches, which are shuffled. The sort
key is the length times a random factor near 1, so that the batches of each epoch contain different examples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recurra.errors import CallError

Indices = NDArray[np.int64]

_POOL = 128  # batches per pool
_JITTER = 0.05  # maximum relative difference between sort key and length


class LengthBatches:
    """Batches of examples with similar lengths.

    lengths      number of time steps of each example, (N,)
    batch_size   maximum number of examples per batch
    seed         seed of the random order
    max_tokens   maximum number of time steps per batch, padding included; a batch contains at least one example

    Raises CallError where `batch_size` or `max_tokens` is less than 1.

    >>> batches = LengthBatches([5, 1, 9, 1, 7], 2)
    >>> [batch.tolist() for batch in batches.in_order()]
    [[1, 3], [0, 4], [2]]
    """

    def __init__(self, lengths: ArrayLike, batch_size: int, *, seed: int = 0, max_tokens: int | None = None) -> None:
        if batch_size < 1 or (max_tokens is not None and max_tokens < 1):
            raise CallError(f"batch_size = {batch_size}, max_tokens = {max_tokens}: both must be at least 1")
        self.lengths = np.asarray(lengths, np.int64)
        self.batch_size, self.seed, self.max_tokens = batch_size, seed, max_tokens

    def epoch(self, k: int) -> list[Indices]:
        """Return the batches of epoch `k`: indices of examples, each once. They depend on the seed and `k` alone."""
        random = np.random.default_rng([self.seed, k])
        order = random.permutation(len(self.lengths))
        pool = self.batch_size * _POOL
        pools = max(1, round(len(order) / pool))
        batches: list[Indices] = []
        for part in np.array_split(order, pools):
            key = (self.lengths[part] + 1) * random.uniform(1 - _JITTER, 1 + _JITTER, len(part))
            batches += self._partition(part[np.argsort(key, kind="stable")], self.batch_size)
        return [batches[i] for i in random.permutation(len(batches))]

    def in_order(self, batch_size: int | None = None) -> list[Indices]:
        """Return batches for evaluation in order of length, the same every time: write their results to `results[indices]`."""
        order = np.argsort(self.lengths, kind="stable").astype(np.int64)
        return list(self._partition(order, batch_size or self.batch_size))

    def padding_fraction(self, batches: Sequence[Indices]) -> float:
        """Return the fraction of the time steps of `batches` that is padding, in [0, 1)."""
        computed = sum(len(indices) * int(self.lengths[indices].max(initial=0)) for indices in batches)
        valid = sum(int(self.lengths[indices].sum()) for indices in batches)
        return 1 - valid / computed if computed else 0.0

    def _partition(self, order: Indices, batch_size: int) -> Iterator[Indices]:
        begin = 0
        while begin < len(order):
            end = min(begin + batch_size, len(order))
            if self.max_tokens is not None:
                longest = np.maximum.accumulate(self.lengths[order[begin:end]])
                fits = np.flatnonzero(longest * np.arange(1, end - begin + 1) <= self.max_tokens)
                end = begin + (int(fits[-1]) + 1 if len(fits) else 1)
            yield order[begin:end]
            begin = end
