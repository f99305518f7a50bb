"""The batches of a language model: windows over the tokens of the training part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, final

import numpy as np

from ...data.store.windows import AlignedWindows, RandomWindows, SequentialWindows, Windows
from ..base import Sampler

Batching = Literal["sequential", "random", "aligned"]


@final
class WindowSampler(Sampler):
    """The key of a batch is an array of positions in `tokens` at which its windows begin, (B,).

    batching     how windows are chosen: see data/store/windows.py
    length       time steps of a window
    text_start   the tokens after which a text begins; "aligned" needs them
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
        self.windows: Windows
        n = len(tokens)
        if batching == "aligned":
            self.windows = AlignedWindows(n, batch_size, length, text_beginnings(tokens, text_start), seed=seed)
        elif batching == "sequential":
            self.windows = SequentialWindows(n, batch_size, length, seed=seed)
        else:
            self.windows = RandomWindows(n, batch_size, length, seed=seed)

    def epoch(self, number: int) -> Sequence[np.ndarray]:
        return self.windows.epoch(number)

    def time_steps(self, keys: Sequence[np.ndarray]) -> np.ndarray:
        return np.array([len(starts) * self.length for starts in keys])

    def padding_fraction(self) -> None:
        return None


def text_beginnings(tokens: np.ndarray, text_start: Sequence[int]) -> np.ndarray:
    """The positions at which `text_start` occurs, and after which a text begins, rising."""
    found = np.ones(len(tokens) - len(text_start) + 1, bool)
    for at, token in enumerate(text_start):
        found &= np.asarray(tokens[at : at + len(found)]) == token
    return np.flatnonzero(found)
