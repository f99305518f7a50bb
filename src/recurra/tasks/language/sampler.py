"""The batches of a language model: windows over the tokens of the training text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, final

import numpy as np

from ...data.store.window_lengths import EqualLengths, RandomLengths, RandomTruncation, WindowLengths
from ...data.store.windows import (
    AlignedWindows,
    MixtureWindows,
    RandomWindows,
    SequentialWindows,
    TokenWindow,
    WindowBatches,
)
from ...settings import TrainingSettings
from ..base import Sampler

Batching = Literal["sequential", "random", "aligned", "mixture"]
CONTINUING = ("sequential", "mixture")  # windows that continue those of the previous batch


@final
class WindowSampler(Sampler):
    """A sampler of windows in `tokens`.

    tokens        token ids of the training text, (N,)
    batching      how the windows are chosen; see data/store/windows.py
    batch_size    number of windows per batch
    lengths       number of time steps per window, or how a sequence is divided into windows that continue each other
    seed          seed of the random order and offsets
    text_start    tokens after which a text begins
    independent   whether the texts are independent, so that a state is not passed from one to the next
    """

    def __init__(
        self,
        tokens: np.ndarray,
        batching: Batching,
        batch_size: int,
        lengths: int | WindowLengths,
        *,
        seed: int,
        text_start: Sequence[int],
        independent: bool = False,
    ) -> None:
        self.windows: WindowBatches
        n, mean = len(tokens), lengths if isinstance(lengths, int) else lengths.mean
        if batching in CONTINUING:
            documents = text_beginnings(tokens, text_start) if independent else None
            kind = SequentialWindows if batching == "sequential" else MixtureWindows
            self.windows = kind(n, batch_size, lengths, seed=seed, documents=documents)
        elif batching == "aligned":
            self.windows = AlignedWindows(n, batch_size, mean, text_beginnings(tokens, text_start), seed=seed)
        else:
            self.windows = RandomWindows(n, batch_size, mean, seed=seed)

    def epoch(self, number: int) -> Sequence[TokenWindow]:
        """Return the windows of each batch of an epoch."""
        return self.windows.epoch(number)

    def time_steps(self, keys: Sequence[TokenWindow]) -> np.ndarray:
        """Return the number of time steps of each batch."""
        return np.array([len(window.starts) * window.steps for window in keys])

    def padding_fraction(self) -> None:
        """Return None, because the windows of a batch have equal lengths and need no padding."""
        return None


def window_lengths(training: TrainingSettings, length: int) -> WindowLengths:
    """Return how a sequence is divided into windows that continue each other, by the gradient rule.

    length   number of time steps of a window for the rules without windows of their own
    """
    if training.rule == "tbptt":
        k1, k2 = training.windows
        return EqualLengths(length, k2 - k1)
    if training.rule == "random_length":
        return RandomLengths(training.windows[0])
    return RandomTruncation(*training.windows) if training.rule == "artbp" else EqualLengths(length)


def text_beginnings(tokens: np.ndarray, text_start: Sequence[int]) -> np.ndarray:
    """Return the positions at which `text_start` occurs and after which a text begins, in increasing order."""
    matches = np.ones(len(tokens) - len(text_start) + 1, bool)
    for offset, token in enumerate(text_start):
        matches &= np.asarray(tokens[offset : offset + len(matches)]) == token
    return np.flatnonzero(matches)
