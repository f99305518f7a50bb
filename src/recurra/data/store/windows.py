"""Windows over one sequence of N tokens, for language models. A window of `length` inputs requires length + 1 tokens.

Sequential: the sequence is divided into B parts, and window k + 1 of a part continues window k, so that the state can be
passed on. Random: windows begin anywhere. Aligned: windows begin where a text begins, and together cover the sequence.
Mixture: half of the rows of a batch are sequential, the others random.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final, overload

import numpy as np
from numpy.typing import NDArray

from recurra.errors import DataError

from .window_lengths import EqualLengths, WindowLengths

Starts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TokenWindow:
    """The windows of a batch.

    Attributes:
        starts: (B,), the position of the first input of each window.
        length: number of time steps with a loss.
        context: number of time steps before `starts` that are read again, without a loss.
        next_context: the same for the next batch, where it continues this one.
        continues: whether the next batch continues this one, so that the state is passed on.
        restarts: (B, context + length) booleans: the time steps at which a row restarts from the initial state. None: nowhere.
    """

    starts: Starts
    length: int
    context: int = 0
    next_context: int = 0
    continues: bool = False
    restarts: NDArray[np.bool_] | None = None

    @property
    def steps(self) -> int:
        """The number of time steps, context included."""
        return self.context + self.length

    @property
    def begins(self) -> Starts:
        """The position of the first input that is read, (B,)."""
        return self.starts - self.context


class WindowBatches(ABC):
    """The windows of each epoch, which depend on the seed and the epoch alone."""

    @abstractmethod
    def epoch(self, k: int) -> Sequence[TokenWindow]:
        """Return the windows of each batch, in order."""


@final
class SequentialWindows(WindowBatches):
    """Consecutive windows of B parallel parts of the sequence. The last window of a part may be shorter.

    Each epoch except the first begins at a random offset.

    n            number of tokens
    batch_size   number of parts B
    lengths      time steps per window: a number, or how a part is divided
    seed         seed of the offsets and of random lengths
    documents    positions at which documents begin, in increasing order: a part restarts there. None: nowhere

    Raises DataError where the text is too short.
    """

    def __init__(
        self,
        n: int,
        batch_size: int,
        lengths: int | WindowLengths,
        *,
        seed: int = 0,
        documents: Starts | None = None,
    ) -> None:
        self.lengths = EqualLengths(lengths) if isinstance(lengths, int) else lengths
        _check(n, batch_size, self.lengths.mean)
        self.n, self.batch_size, self.seed, self.documents = n, batch_size, seed, documents

    def epoch(self, k: int) -> Sequence[TokenWindow]:
        """Return the windows; batch i + 1 continues batch i."""
        length = self.lengths.mean
        max_offset = min(length - 1, self.n - 1 - self.batch_size * length)
        offset = int(np.random.default_rng([self.seed, k]).integers(0, max_offset + 1)) if k else 0
        part = (self.n - 1 - offset) // self.batch_size
        first = offset + part * np.arange(self.batch_size, dtype=np.int64)
        divided = self.lengths.divide(part, np.random.default_rng([self.seed, k, 1]))
        return _Consecutive(first, np.asarray(divided, np.int32), self.lengths.context, self.documents)


@final
class _Consecutive(Sequence[TokenWindow]):
    """Consecutive windows that begin at `first` (B,). A window is made when it is asked for, because there may be millions."""

    def __init__(self, first: Starts, lengths: NDArray[np.int32], context: int, documents: Starts | None) -> None:
        self.first, self.lengths, self.longest, self.documents = first, lengths, context, documents
        self.ends = np.cumsum(lengths, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.lengths)

    @overload
    def __getitem__(self, at: int) -> TokenWindow: ...

    @overload
    def __getitem__(self, at: slice) -> list[TokenWindow]: ...

    def __getitem__(self, at: int | slice) -> Any:
        if isinstance(at, slice):
            return [self[number] for number in range(*at.indices(len(self)))]
        if not -len(self) <= at < len(self):
            raise IndexError(at)
        length = int(self.lengths[at])
        end = int(self.ends[at])
        context, next_context = min(self.longest, end - length), min(self.longest, end)
        starts = self.first + end - length
        restarts = None if self.documents is None else restarts_of(self.documents, starts - context, context + length)
        return TokenWindow(starts, length, context, next_context, True, restarts)

    def __iter__(self) -> Iterator[TokenWindow]:
        return (self[at] for at in range(len(self)))


def restarts_of(documents: Starts, begins: Starts, steps: int) -> NDArray[np.bool_] | None:
    """Return booleans (B, steps): where documents begin in windows that begin at `begins` (B,). None: nowhere."""
    low, high = np.searchsorted(documents, begins), np.searchsorted(documents, begins + steps)
    if not (high > low).any():
        return None
    restarts = np.zeros((len(begins), steps), bool)
    for row, (a, b, begin) in enumerate(zip(low, high, begins, strict=True)):
        restarts[row, documents[a:b] - begin] = True
    return restarts


@final
class RandomWindows(WindowBatches):
    """Windows at random positions. An epoch has as many windows as would cover the sequence once."""

    def __init__(self, n: int, batch_size: int, length: int, seed: int = 0) -> None:
        _check(n, 1, length)
        self.n, self.batch_size, self.length, self.seed = n, batch_size, length, seed

    def epoch(self, k: int) -> Sequence[TokenWindow]:
        """Return windows at random positions."""
        random = np.random.default_rng([self.seed, k])
        count = max(1, (self.n - 1) // (self.batch_size * self.length))
        starts = random.integers(0, self.n - self.length, (count, self.batch_size), dtype=np.int64)
        return [TokenWindow(row, self.length) for row in starts]


@final
class MixtureWindows(WindowBatches):
    """Half of the rows, rounded up, are sequential windows; the others begin at random positions with the initial state.

    The network learns to continue a state and to begin without one. An epoch covers the sequence once in the sequential rows.

    Raises DataError where the text is too short, or for a batch of one row.
    """

    def __init__(
        self,
        n: int,
        batch_size: int,
        lengths: int | WindowLengths,
        *,
        seed: int = 0,
        documents: Starts | None = None,
    ) -> None:
        if batch_size < 2:
            raise DataError(f"batching=mixture needs two rows in a batch, and batch_size is {batch_size}")
        self.n, self.seed, self.random_rows = n, seed, batch_size // 2
        self.sequential = SequentialWindows(n, batch_size - batch_size // 2, lengths, seed=seed, documents=documents)

    def epoch(self, k: int) -> Sequence[TokenWindow]:
        """Return the windows, the sequential rows first."""
        return _Mixture(self.sequential.epoch(k), self.n, self.random_rows, [self.seed, k, 2])


@final
class _Mixture(Sequence[TokenWindow]):
    """Sequential windows with rows at random positions in addition."""

    def __init__(self, sequential: Sequence[TokenWindow], n: int, rows: int, seed: list[int]) -> None:
        self.sequential, self.n, self.rows, self.seed = sequential, n, rows, seed

    def __len__(self) -> int:
        return len(self.sequential)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return [self[number] for number in range(*at.indices(len(self)))]
        window = self.sequential[at]
        random = np.random.default_rng([*self.seed, at % len(self)])
        begins = random.integers(0, self.n - window.steps, self.rows, dtype=np.int64)
        restarts = np.zeros((len(window.starts) + self.rows, window.steps), bool)
        if window.restarts is not None:
            restarts[: len(window.starts)] = window.restarts
        restarts[len(window.starts) :, 0] = True
        starts = np.concatenate([window.starts, begins + window.context])
        return TokenWindow(starts, window.length, window.context, window.next_context, True, restarts)


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

    def epoch(self, k: int) -> Sequence[TokenWindow]:
        """Return the windows in random order."""
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
        return [TokenWindow(row, self.length) for row in np.resize(shuffled, (count, self.batch_size))]


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
