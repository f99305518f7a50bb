"""Batches of rows of like length, so that little of what the network computes is padding.

Rows are shuffled, sorted by length inside pools of many batches, cut, and the batches shuffled. The sort key is the
length times a random factor near 1, so that the same rows do not meet in every epoch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recurra.errors import CallError

Rows = NDArray[np.int64]

_POOL = 128  # batches sorted together
_JITTER = 0.05  # a key is up to this share longer or shorter than the length


class LengthBatches:
    """Batches of at most `batch_size` rows and, where given, `max_tokens` padded steps (but at least one row)."""

    def __init__(self, lengths: ArrayLike, batch_size: int, *, seed: int = 0, max_tokens: int | None = None) -> None:
        if batch_size < 1 or (max_tokens is not None and max_tokens < 1):
            raise CallError(f"batch_size and max_tokens are at least 1, not {batch_size} and {max_tokens}")
        self.lengths = np.asarray(lengths, np.int64)
        self.batch_size, self.seed, self.max_tokens = batch_size, seed, max_tokens

    def epoch(self, k: int) -> list[Rows]:
        """The batches of epoch `k`: row indices, every row once; a function of (seed, k) alone."""
        random = np.random.default_rng([self.seed, k])
        order = random.permutation(len(self.lengths))
        pool = self.batch_size * _POOL
        pools = max(1, round(len(order) / pool))
        batches: list[Rows] = []
        for part in np.array_split(order, pools):
            key = (self.lengths[part] + 1) * random.uniform(1 - _JITTER, 1 + _JITTER, len(part))
            batches += self._cut(part[np.argsort(key, kind="stable")], self.batch_size)
        return [batches[at] for at in random.permutation(len(batches))]

    def in_order(self, batch_size: int | None = None) -> list[Rows]:
        """Batches for evaluation, longest rows last, the same every time; write results to `results[rows]`."""
        order = np.argsort(self.lengths, kind="stable").astype(np.int64)
        return list(self._cut(order, batch_size or self.batch_size))

    def padding_share(self, batches: Sequence[Rows]) -> float:
        """The share of the padded steps of `batches` that no row fills, in [0, 1)."""
        padded = sum(len(rows) * int(self.lengths[rows].max(initial=0)) for rows in batches)
        live = sum(int(self.lengths[rows].sum()) for rows in batches)
        return 1 - live / padded if padded else 0.0

    def _cut(self, order: Rows, batch_size: int) -> Iterator[Rows]:
        begin = 0
        while begin < len(order):
            end = min(begin + batch_size, len(order))
            if self.max_tokens is not None:
                longest = np.maximum.accumulate(self.lengths[order[begin:end]])
                fits = np.flatnonzero(longest * np.arange(1, end - begin + 1) <= self.max_tokens)
                end = begin + (int(fits[-1]) + 1 if len(fits) else 1)
            yield order[begin:end]
            begin = end
