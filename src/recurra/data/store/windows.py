"""Windows over one sequence of N tokens, for language models. A window of `length` inputs requires length + 1 tokens.

Sequential: the sequence is divided into B parts, and window k + 1 of a part continues window k, so that the state can be passed
on. Random: windows begin anywhere. Aligned: windows begin where a text begins, and together cover the sequence.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import numpy as np
from numpy.typing import NDArray

from recurra.errors import DataError

Starts = NDArray[np.int64]


class WindowBatches(ABC):
    """The windows of each epoch, which depend on the seed and the epoch alone."""

    @abstractmethod
    def epoch(self, k: int) -> list[Starts]:
        """Return the start positions (B,) of the windows of each batch, in order."""


@final
class SequentialWindows(WindowBatches):
    """Consecutive windows of B parallel parts of the sequence.

    Each epoch except the first begins at a random offset. Tokens after the last window are not used.

    n            number of tokens
    batch_size   number of parts B
    length       time steps per window
    seed         seed of the offsets

    Raises DataError where the text is too short.
    """

    def __init__(self, n: int, batch_size: int, length: int, *, seed: int = 0) -> None:
        _check(n, batch_size, length)
        self.n, self.batch_size, self.length, self.seed = n, batch_size, length, seed

    def epoch(self, k: int) -> list[Starts]:
        """Return the start positions; batch i + 1 continues batch i."""
        max_offset = min(self.length - 1, self.n - 1 - self.batch_size * self.length)
        offset = int(np.random.default_rng([self.seed, k]).integers(0, max_offset + 1)) if k else 0
        part = (self.n - 1 - offset) // self.batch_size
        first = offset + part * np.arange(self.batch_size, dtype=np.int64)
        return [first + step for step in range(0, part - self.length + 1, self.length)]


@final
class RandomWindows(WindowBatches):
    """Windows at random positions. An epoch has as many windows as would cover the sequence once."""

    def __init__(self, n: int, batch_size: int, length: int, seed: int = 0) -> None:
        _check(n, 1, length)
        self.n, self.batch_size, self.length, self.seed = n, batch_size, length, seed

    def epoch(self, k: int) -> list[Starts]:
        """Return random start positions."""
        random = np.random.default_rng([self.seed, k])
        count = max(1, (self.n - 1) // (self.batch_size * self.length))
        return list(random.integers(0, self.n - self.length, (count, self.batch_size), dtype=np.int64))


@final
class AlignedWindows(WindowBatches):
    """Windows that begin at text boundaries and cover the sequence.

    A window begins at the last boundary before the end of the previous window, so that its first text is complete, or at that
    end where the previous window contains no boundary. The first window of an epoch and the order of the windows are random.
    The last batch is filled up with windows from the beginning of the epoch.

    `boundaries` are the positions at which texts begin, in increasing order.
    """

    def __init__(self, n: int, batch_size: int, length: int, boundaries: Starts, *, seed: int = 0) -> None:
        _check(n, batch_size, length)
        self.n, self.batch_size, self.length, self.boundaries, self.seed = n, batch_size, length, boundaries, seed

    def epoch(self, k: int) -> list[Starts]:
        """Return the start positions in random order."""
        random, last = np.random.default_rng([self.seed, k]), self.n - 1 - self.length
        first = self.boundaries[self.boundaries <= min(self.length, last)]
        start = int(random.choice(first)) if len(first) else 0
        starts = [start]
        while start < last:
            end = start + self.length
            i = int(np.searchsorted(self.boundaries, end, side="right")) - 1
            start = min(int(self.boundaries[i]) if i >= 0 and self.boundaries[i] > start else end, last)
            starts.append(start)
        shuffled = random.permutation(np.asarray(starts, np.int64))
        count = -(-len(shuffled) // self.batch_size)
        return list(np.resize(shuffled, (count, self.batch_size)))


def _check(n: int, batch_size: int, length: int) -> None:
    if batch_size < 1 or length < 1:
        raise DataError(f"batch size {batch_size}, window length {length}: both must be at least 1")
    if n < batch_size * length + 1:
        raise DataError(
            f"{n:,} tokens are too few for a batch of {batch_size} windows of {length} tokens; use a longer text, or reduce "
            "batch_size or bptt_length"
        )


def gather(flat: NDArray[np.integer], starts: Starts, length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return inputs and targets of the windows, both (B, T) int64; the targets are the tokens one step later."""
    positions = np.asarray(starts)[:, None] + np.arange(length + 1)
    windows = np.asarray(flat[positions], np.int64)
    return windows[:, :-1], windows[:, 1:]
