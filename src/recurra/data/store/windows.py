"""Windows over one long sequence of N tokens, for language models. A window of `length` inputs needs one token more.

Sequential: the sequence is cut into B parts and window k + 1 of a part follows window k, so the state can be carried.
Random: windows begin anywhere. Aligned: windows begin where a text does, and cover all of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recurra.errors import DataError

Starts = NDArray[np.int64]


def _check(n: int, batch_size: int, length: int) -> None:
    if batch_size < 1 or length < 1:
        raise DataError(f"windows need a batch size and a length of at least 1, not {batch_size} and {length}")
    if n < batch_size * length + 1:
        raise DataError(
            f"{n:,} tokens are too few for {batch_size} windows of {length}; give more text or make them smaller"
        )


class SequentialWindows:
    """B parts side by side. Each epoch begins at its own offset, from (seed, epoch); what is left at the end waits."""

    def __init__(self, n: int, batch_size: int, length: int, *, seed: int = 0) -> None:
        _check(n, batch_size, length)
        self.n, self.batch_size, self.length, self.seed = n, batch_size, length, seed

    def epoch(self, k: int) -> list[Starts]:
        """Start positions (B,) of each window, in the order they must be read. Epoch 0 begins at 0."""
        most = min(self.length - 1, self.n - 1 - self.batch_size * self.length)
        offset = int(np.random.default_rng([self.seed, k]).integers(0, most + 1)) if k else 0
        part = (self.n - 1 - offset) // self.batch_size
        first = offset + part * np.arange(self.batch_size, dtype=np.int64)
        return [first + at for at in range(0, part - self.length + 1, self.length)]


class RandomWindows:
    """As many windows an epoch as would fill the sequence once, from (seed, epoch)."""

    def __init__(self, n: int, batch_size: int, length: int, seed: int = 0) -> None:
        _check(n, 1, length)
        self.n, self.batch_size, self.length, self.seed = n, batch_size, length, seed

    def epoch(self, k: int) -> list[Starts]:
        """Start positions (B,) of each window."""
        random = np.random.default_rng([self.seed, k])
        count = max(1, (self.n - 1) // (self.batch_size * self.length))
        return list(random.integers(0, self.n - self.length, (count, self.batch_size), dtype=np.int64))


class AlignedWindows:
    """Windows that begin at `marks`, rising positions, and cover the sequence: one begins at the last mark before the
    end of the one before, so that its first text is whole, or where that one ended if it has no mark.

    The first window of an epoch, and the order of all, come from (seed, epoch).
    """

    def __init__(self, n: int, batch_size: int, length: int, marks: Starts, *, seed: int = 0) -> None:
        _check(n, batch_size, length)
        self.n, self.batch_size, self.length, self.marks, self.seed = n, batch_size, length, marks, seed

    def epoch(self, k: int) -> list[Starts]:
        """Start positions (B,) of each window; the windows of the last batch that are missing come from its beginning."""
        random, last = np.random.default_rng([self.seed, k]), self.n - 1 - self.length
        first = self.marks[self.marks <= min(self.length, last)]
        at = int(random.choice(first)) if len(first) else 0
        starts = [at]
        while at < last:
            end = at + self.length
            mark = int(np.searchsorted(self.marks, end, side="right")) - 1
            at = min(int(self.marks[mark]) if mark >= 0 and self.marks[mark] > at else end, last)
            starts.append(at)
        shuffled = random.permutation(np.asarray(starts, np.int64))
        count = -(-len(shuffled) // self.batch_size)
        return list(np.resize(shuffled, (count, self.batch_size)))


def gather(flat: NDArray[np.integer], starts: Starts, length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(inputs, targets), both (B, T) int64: targets are the tokens one step later."""
    at = np.asarray(starts)[:, None] + np.arange(length + 1)
    window = np.asarray(flat[at], np.int64)
    return window[:, :-1], window[:, 1:]
