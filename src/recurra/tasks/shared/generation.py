"""Tasks that generate a sequence for each example with a search: what they share in evaluation.

A search takes many times as long as the loss. While training, answers are therefore those of a search without a beam_size, for a
limited number of held-back rows; on another file they are those of the run's beam_size, for all rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
from torch import nn

from ...data.store.batching import LengthBatches
from ...data.store.store import Store
from ...decoding.beam_search import Hypothesis
from ...errors import DataError
from ..base import Batch, OnProgress, device_of, ignore_progress

BEAMS = 256  # answers followed at once
SCORES = 1 << 25  # numbers that the output layer gives at once in evaluation


class EncodedRows(Protocol):
    """A dataset of encoded rows: the parts of the training data, and other files while they are evaluated."""

    @property
    def stores(self) -> dict[str, Store]:
        """The encoded parts: train and valid."""

    def encoded(self, data: str | Path) -> AbstractContextManager[Store]:
        """The rows of another file."""


@contextmanager
def part_to_evaluate(
    dataset: EncodedRows, data: str | Path | None, *, beam_size: int, searched: int
) -> Iterator[tuple[Store, int, int]]:
    """The rows to evaluate, the beam size, and the number of rows to search answers for.

    `searched`: that number while training, when `data` is None.
    """
    if data is None:
        yield dataset.stores["valid"], 1, searched
    else:
        with dataset.encoded(data) as store:
            yield store, beam_size, len(store)


def check_splits(stores: dict[str, Store], examples: str, data: str | Path) -> None:
    """DataError where the training or the validation part has no rows. `examples`: what the user calls them."""
    if not len(stores["train"]) or not len(stores["valid"]):
        raise DataError(f"too few {examples} to train on and to check with", file=data)


def searched_message(held_back: int, searched: int, examples: str, metrics: str) -> list[str]:
    """The line that reports for how many examples these metrics are computed while training, where not for all."""
    if held_back <= searched:
        return []
    return [f"while training, {metrics} are of {searched:,} held-back {examples}, evenly picked, without a beam"]


def batches_of(
    network: nn.Module,
    collate: Callable[[np.ndarray], Batch],
    parts: Iterable[np.ndarray],
    on_progress: OnProgress = ignore_progress,
) -> Iterator[Batch]:
    """The batch of each part, an array of rows, on the network's device."""
    device = device_of(network)
    for rows in parts:
        yield collate(rows).to(device)
        on_progress(len(rows))


def search_in_batches(
    lengths: np.ndarray,
    beam_size: int,
    search: Callable[[np.ndarray], Sequence[list[Hypothesis]]],
    on_progress: OnProgress = ignore_progress,
) -> list[list[Hypothesis]]:
    """The answers to examples of these lengths, best first. `search` is called for as many as are followed at once."""
    answers: list[list[Hypothesis]] = [[] for _ in lengths]
    for rows in LengthBatches(lengths, max(BEAMS // beam_size, 1)).in_order():
        for row, best in zip(rows, search(rows), strict=True):
            answers[row] = best
        on_progress(len(rows))
    return answers


def scoring_batches(lengths: np.ndarray, tokens: int) -> list[np.ndarray]:
    """Batches of rows of these lengths whose loss is computed at once, where each step scores `tokens` tokens."""
    return LengthBatches(lengths, 256, max_tokens=max(SCORES // tokens, 1)).in_order()


def evenly_spaced_indices(count: int, most: int) -> np.ndarray:
    """At most `most` of the rows 0 to `count` - 1, evenly spaced, in order."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(np.int64))
