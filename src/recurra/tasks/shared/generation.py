"""Evaluation of tasks that generate a sequence for each example with a search.

A search takes many times as long as the computation of the loss. Evaluations during training therefore use greedy search on a
limited number of validation examples. Evaluations on another file use the beam size of the run and all examples.
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

MAX_HYPOTHESES = 256  # hypotheses in one batch of a search
MAX_SCORES = 1 << 25  # scores that the output layer computes at once in evaluation


class EncodedRows(Protocol):
    """A dataset of encoded rows: the splits of the training data, and other files during their evaluation."""

    @property
    def stores(self) -> dict[str, Store]:
        """The encoded splits: train and valid."""

    def encoded(self, data: str | Path) -> AbstractContextManager[Store]:
        """The encoded rows of another file."""


@contextmanager
def part_to_evaluate(
    dataset: EncodedRows, data: str | Path | None, *, beam_size: int, searched: int
) -> Iterator[tuple[Store, int, int]]:
    """The rows to evaluate, the beam size, and the number of rows for which answers are generated.

    During training (`data` is None), these are the rows of the validation split, a beam size of 1, and `searched`.
    """
    if data is None:
        yield dataset.stores["valid"], 1, searched
    else:
        with dataset.encoded(data) as store:
            yield store, beam_size, len(store)


def check_splits(stores: dict[str, Store], examples: str, data: str | Path) -> None:
    """Raise DataError if the training or the validation split is empty. `examples`: their name in the message."""
    if not len(stores["train"]) or not len(stores["valid"]):
        raise DataError(
            f"there are too few {examples} for a training and a validation split; add some, or pass --valid FILE",
            file=data,
        )


def searched_message(available: int, searched: int, examples: str, metrics: str) -> list[str]:
    """A message that reports on how many validation examples the metrics are computed during training, if not on all."""
    if available <= searched:
        return []
    return [
        f"during training, {metrics} are computed on {searched:,} evenly spaced validation {examples}, with greedy search"
    ]


def batches_of(
    network: nn.Module,
    collate: Callable[[np.ndarray], Batch],
    parts: Iterable[np.ndarray],
    on_progress: OnProgress = ignore_progress,
) -> Iterator[Batch]:
    """A batch for each array of row numbers in `parts`, on the device of the network."""
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
    """The hypotheses for examples of these lengths, best first. `search` takes the numbers of the examples of a batch."""
    results: list[list[Hypothesis]] = [[] for _ in lengths]
    for indices in LengthBatches(lengths, max(MAX_HYPOTHESES // beam_size, 1)).in_order():
        for index, hypotheses in zip(indices, search(indices), strict=True):
            results[index] = hypotheses
        on_progress(len(indices))
    return results


def scoring_batches(lengths: np.ndarray, vocabulary_size: int) -> list[np.ndarray]:
    """The numbers of the rows of each batch whose loss is computed at once, from the lengths of all rows."""
    return LengthBatches(lengths, 256, max_tokens=max(MAX_SCORES // vocabulary_size, 1)).in_order()


def evenly_spaced_indices(count: int, limit: int) -> np.ndarray:
    """At most `limit` of the numbers 0 to `count` - 1, evenly spaced, in ascending order."""
    return np.unique(np.linspace(0, count - 1, min(limit, count)).round().astype(np.int64))
