"""Windows over one sequence of N tokens, for language models. A window of `length` inputs needs one token more.

Sequential: the sequence is cut into B parts, and window k + 1 of a part continues window k, so the state can be carried.
Random: windows begin anywhere. Aligned: windows begin where a text does, and cover all of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import numpy as np
from numpy.typing import NDArray

from recurra.errors import DataError

Starts = NDArray[np.int64]


class Windows(ABC):
    """The windows of each epoch, a pure function of (seed, epoch)."""

    @abstractmethod
    def epoch(self, k: int) -> list[Starts]:
        """Start positions (B,) of the windows of each batch, in order."""


@final
class SequentialWindows(Windows):
    """B parts side by side. Each epoch but the first begins at its own offset; tokens after the last window are left out."""

    def __init__(self, n: int, batch_size: int, length: int, *, seed: int = 0) -> None:
        _check(n, batch_size, length)
        self.n, self.batch_size, self.length, self.seed = n, batch_size, length, seed

    def epoch(self, k: int) -> list[Starts]:
        most = min(self.length - 1, self.n - 1 - self.batch_size * self.length)
        offset = int(np.random.default_rng([self.seed, k]).integers(0, most + 1)) if k else 0
        part = (self.n - 1 - offset) // self.batch_size
        first = offset + part * np.arange(self.batch_size, dtype=np.int64)
        return [first + at for at in range(0, part - self.length + 1, self.length)]


@final
class RandomWindows(Windows):
    """As many windows in an epoch as would cover the sequence once."""

    def __init__(self, n: int, batch_size: int, length: int, seed: int = 0) -> None:
        _check(n, 1, length)
        self.n, self.batch_size, self.length, self.seed = n, batch_size, length, seed

    def epoch(self, k: int) -> list[Starts]:
        random = np.random.default_rng([self.seed, k])
        count = max(1, (self.n - 1) // (self.batch_size * self.length))
        return list(random.integers(0, self.n - self.length, (count, self.batch_size), dtype=np.int64))


@final
class AlignedWindows(Windows):
    """Windows that begin at `boundaries`, rising positions, and cover the sequence.

    A window begins at the last boundary before the end of the previous one, so that its first text is whole, or at that end
    where the previous one has no boundary. The first window of an epoch, and the order of all, are random. Windows that are
    missing in the last batch are those of the epoch's beginning.
    """

    def __init__(self, n: int, batch_size: int, length: int, boundaries: Starts, *, seed: int = 0) -> None:
        _check(n, batch_size, length)
        self.n, self.batch_size, self.length, self.boundaries, self.seed = n, batch_size, length, boundaries, seed

    def epoch(self, k: int) -> list[Starts]:
        random, last = np.random.default_rng([self.seed, k]), self.n - 1 - self.length
        first = self.boundaries[self.boundaries <= min(self.length, last)]
        at = int(random.choice(first)) if len(first) else 0
        starts = [at]
        while at < last:
            end = at + self.length
            place = int(np.searchsorted(self.boundaries, end, side="right")) - 1
            at = min(int(self.boundaries[place]) if place >= 0 and self.boundaries[place] > at else end, last)
            starts.append(at)
        shuffled = random.permutation(np.asarray(starts, np.int64))
        count = -(-len(shuffled) // self.batch_size)
        return list(np.resize(shuffled, (count, self.batch_size)))


def _check(n: int, batch_size: int, length: int) -> None:
    if batch_size < 1 or length < 1:
        raise DataError(f"windows need a batch size and a length of at least 1, not {batch_size} and {length}")
    if n < batch_size * length + 1:
        raise DataError(
            f"{n:,} tokens are too few for {batch_size} windows of {length}; give more text or make them smaller"
        )


def gather(flat: NDArray[np.integer], starts: Starts, length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(inputs, targets), both (B, T) int64: targets are the tokens one step later."""
    at = np.asarray(starts)[:, None] + np.arange(length + 1)
    window = np.asarray(flat[at], np.int64)
    return window[:, :-1], window[:, 1:]
