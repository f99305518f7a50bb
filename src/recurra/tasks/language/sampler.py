"""The batches of a language model: windows over the tokens of the training text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, final

import numpy as np

from ...data.store.windows import AlignedWindows, RandomWindows, SequentialWindows, WindowBatches
from ..base import Sampler

Batching = Literal["sequential", "random", "aligned"]


@final
class WindowSampler(Sampler):
    """A sampler of windows. The key of a batch contains the start positions of its windows in `tokens`, (B,).

    tokens       token ids of the training text, (N,)
    batching     how the windows are chosen; see data/store/windows.py
    batch_size   number of windows per batch
    length       number of time steps per window
    seed         seed of the random order and offsets
    text_start   tokens after which a text begins; used by "aligned" alone
    """

    def __init__(
        self,
        tokens: np.ndarray,
        batching: Batching,
        batch_size: int,
        length: int,
        *,
        seed: int,
        text_start: Sequence[int],
    ) -> None:
        self.length = length
        self.windows: WindowBatches
        n = len(tokens)
        if batching == "aligned":
            self.windows = AlignedWindows(n, batch_size, length, text_beginnings(tokens, text_start), seed=seed)
        elif batching == "sequential":
            self.windows = SequentialWindows(n, batch_size, length, seed=seed)
        else:
            self.windows = RandomWindows(n, batch_size, length, seed=seed)

    def epoch(self, number: int) -> Sequence[np.ndarray]:
        """Return the start positions of the windows of each batch of an epoch."""
        return self.windows.epoch(number)

    def time_steps(self, keys: Sequence[np.ndarray]) -> np.ndarray:
        """Return the number of time steps of each batch."""
        return np.array([len(starts) * self.length for starts in keys])

    def padding_fraction(self) -> None:
        """Return None, because windows have equal lengths and need no padding."""
        return None


def text_beginnings(tokens: np.ndarray, text_start: Sequence[int]) -> np.ndarray:
    """Return the positions at which `text_start` occurs and after which a text begins, in increasing order."""
    matches = np.ones(len(tokens) - len(text_start) + 1, bool)
    for offset, token in enumerate(text_start):
        matches &= np.asarray(tokens[offset : offset + len(matches)]) == token
    return np.flatnonzero(matches)
