"""Tasks that write an answer to each row, which a search finds: what they train on, and what is looked at on the way.

To look for answers takes many times what the loss takes. So while training they are those of a search without a beam, and of
`searched` held-back rows at most.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import nn

from ...data.store.batching import LengthBatches
from ...data.store.store import Store
from ...decoding.beam_search import Found
from ...errors import DataError
from ..base import Batch, Reading, Say, device_of
from .length_batches import ByLength

BEAMS = 256  # answers followed at once
SCORES = 1 << 25  # numbers that the output layer gives at once in evaluation


def silent(count: int) -> None:
    """A tick that nobody hears."""


class Answering(ByLength):
    """See the module's docstring. A subclass has `model.beam`, and gathers batches of any store."""

    searched: ClassVar[int] = 1000
    called: ClassVar[str] = "rows"  # what the user is told of the examples

    def read(
        self, data: str | Path, valid: str | Path | None, cache: Path, say: Say, tick: Callable[[int], None]
    ) -> Reading:
        reading = super().read(data, valid, cache, say, tick)
        if not len(self.stores["train"]) or not len(self.stores["valid"]):
            raise DataError(f"too few {self.called} to train on and to check with", file=data)
        return reading

    def _searched_of(self, held_back: int, figures: str) -> list[str]:
        """The line that says of how many examples these figures are while training, where it is not of all."""
        if held_back <= self.searched:
            return []
        some = f"{self.searched:,} held-back {self.called}, evenly picked, without a beam"
        return [f"while training, {figures} are of {some}"]

    @abstractmethod
    def _gather(self, store: Store, rows: np.ndarray) -> Batch:
        """The batch of these rows of a store."""

    def batch(self, key: np.ndarray) -> Batch:
        return self._gather(self.stores["train"], key)

    def evaluate(self, network: nn.Module, data: str | Path | None, tick: Callable[[int], None]) -> dict[str, Any]:
        if data is None:
            return self._evaluate_store(network, self.stores["valid"], tick, beam=1, most=self.searched)
        beam: int = self.settings.model.beam  # type: ignore[attr-defined]
        with self.stored(data) as store:
            return self._evaluate_store(network, store, tick, beam=beam, most=len(store))

    @abstractmethod
    def _evaluate_store(
        self, network: nn.Module, store: Store, tick: Callable[[int], None], *, beam: int, most: int
    ) -> dict[str, Any]:
        """The figures of a store; those of answers from `most` of them at most, evenly picked."""

    def _told(
        self, network: nn.Module, store: Store, parts: Iterable[np.ndarray], tick: Callable[[int], None] = silent
    ) -> Iterator[Batch]:
        """Batches of these rows, on the network's device; each ticks when the next one is asked for."""
        device = device_of(network)
        for rows in parts:
            yield self._gather(store, rows).to(device)
            tick(len(rows))


def in_batches(
    lengths: np.ndarray,
    beam: int,
    found: Callable[[np.ndarray], Sequence[list[Found]]],
    tick: Callable[[int], None] = silent,
) -> list[list[Found]]:
    """The answers to examples of these lengths, best first: `found` is asked for those to as many as are followed at once."""
    answers: list[list[Found]] = [[] for _ in lengths]
    for rows in LengthBatches(lengths, max(BEAMS // beam, 1)).in_order():
        for row, best in zip(rows, found(rows), strict=True):
            answers[row] = best
        tick(len(rows))
    return answers


def told_at_once(lengths: np.ndarray, tokens: int) -> list[np.ndarray]:
    """Batches of rows of these lengths that are told together, where `tokens` are scored at each step."""
    return LengthBatches(lengths, 256, max_tokens=max(SCORES // tokens, 1)).in_order()


def evenly(count: int, most: int) -> np.ndarray:
    """At most so many of the rows 0 to `count`, evenly picked, in order."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(np.int64))
