"""Decoding of connectionist temporal classification (CTC; Graves et al. 2006): from log-probabilities over time to texts.

At each time step the network gives a distribution over the units of the text and a blank. A path is a sequence of one such
symbol per step. It stands for a text: repeated symbols are merged, then blanks are removed.

Both searches are incremental: `push(log_probs (T, V))` adds time steps, and `best()` returns the best text so far. A shallow
copy of a search is independent of the original.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

BLANK = 0
NEGLIGIBLE = -25.0  # nats: units with a lower log-probability at a step are not considered at this step
LOG_ZERO = -math.inf


@dataclass(frozen=True)
class CtcHypothesis:
    """A decoded text.

    Attributes:
        units: the ids of its units.
        score: its log-probability in nats, or the part of it that the search has summed.
    """

    units: list[int]
    score: float


class CtcSearch(Protocol):
    """The interface of both searches."""

    def push(self, log_probs: NDArray[np.floating]) -> None:
        """Add the log-probabilities of the next time steps, (T, V)."""

    def best(self) -> CtcHypothesis:
        """Return the most probable text of all time steps so far."""


def ctc_search(beam_size: int) -> CtcSearch:
    """Return a new search: greedy for a beam size of 1, else a prefix beam search.

    Example:
        >>> search = ctc_search(beam_size=2)
        >>> search.push(np.log([[0.6, 0.4], [0.6, 0.4]]))  # two steps; the units are the blank and 1
        >>> search.best().units
        [1]
    """
    return GreedySearch() if beam_size == 1 else PrefixBeamSearch(beam_size)


def min_steps(units: Sequence[object]) -> int:
    """Return the smallest number of time steps for a text: one per unit, and a blank between two equal units."""
    return len(units) + sum(a == b for a, b in pairwise(units))


@final
class GreedySearch:
    """Follows the most probable path. Its score is the log-probability of the path, which is a part of that of the text."""

    def __init__(self) -> None:
        self.units: list[int] = []
        self.last, self.score = BLANK, 0.0

    def push(self, log_probs: NDArray[np.floating]) -> None:
        """Add the log-probabilities of the next time steps, (T, V)."""
        if not len(log_probs):
            return
        path = log_probs.argmax(1)
        self.score += float(log_probs[np.arange(len(log_probs)), path].sum(dtype=np.float64))
        previous = np.concatenate([[self.last], path[:-1]])
        # a new list, because copies of the search share the old one
        self.units = self.units + path[(path != BLANK) & (path != previous)].tolist()
        self.last = int(path[-1])

    def best(self) -> CtcHypothesis:
        """Return the text of the most probable path of all time steps so far."""
        return CtcHypothesis(list(self.units), self.score)


@final
class PrefixBeamSearch:
    """Prefix beam search: sums the probabilities of the paths of each text, and keeps `beam_size` texts at each step.

    For each text the search keeps two log-probabilities: of its paths that end in a blank, and of its paths that end in its
    last unit (Graves 2012, chapter 7.5; Hannun et al. 2014, arXiv:1408.2873). The texts are nodes of a tree: `parents` and
    `units` of each node, where node 0 is the empty text.

    Args:
        beam_size: number of texts that are kept at each time step.
    """

    def __init__(self, beam_size: int) -> None:
        self.beam_size = beam_size
        self.parents, self.units = [-1], [BLANK]
        self.children: dict[tuple[int, int], int] = {}
        self.beams: dict[int, tuple[float, float]] = {0: (0.0, LOG_ZERO)}

    def push(self, log_probs: NDArray[np.floating]) -> None:
        """Add the log-probabilities of the next time steps, (T, V)."""
        if not len(log_probs):
            return
        order = np.argsort(-log_probs[:, BLANK + 1 :], axis=1, kind="stable")[:, : self.beam_size] + BLANK + 1
        for step, probable in zip(log_probs.astype(np.float64).tolist(), order.tolist(), strict=True):
            self._step(step, [unit for unit in probable if step[unit] > NEGLIGIBLE] or probable[:1])

    def _step(self, log_probs: list[float], probable: list[int]) -> None:
        """Extend all texts by one time step. `probable`: the units that are considered."""
        blank, units = log_probs[BLANK], self.units
        extended: dict[int, tuple[float, float]] = {}
        for node, (in_blank, in_unit) in self.beams.items():  # the text does not change
            last = units[node]
            repeated = in_unit + log_probs[last] if node else LOG_ZERO
            extended[node] = (log_add_exp(in_blank, in_unit) + blank, repeated)
        for node, (in_blank, in_unit) in self.beams.items():  # the text grows by one unit
            total, last = log_add_exp(in_blank, in_unit), units[node]
            for unit in probable:
                # a unit that repeats the last one requires a blank between them
                score = (in_blank if unit == last else total) + log_probs[unit]
                if score > LOG_ZERO:
                    child = self._child(node, unit)
                    child_blank, child_unit = extended.get(child, (LOG_ZERO, LOG_ZERO))
                    extended[child] = (child_blank, log_add_exp(child_unit, score))
        if len(extended) > self.beam_size:
            best = sorted(extended, key=lambda node: -log_add_exp(*extended[node]))[: self.beam_size]
            extended = {node: extended[node] for node in best}
        self.beams = extended

    def _child(self, node: int, unit: int) -> int:
        """Return the child of `node` whose text is one unit longer, and create it if it does not exist."""
        child = self.children.get((node, unit))
        if child is None:
            child = self.children[node, unit] = len(self.units)
            self.parents.append(node)
            self.units.append(unit)
        return child

    def best(self) -> CtcHypothesis:
        """Return the most probable text of all time steps so far."""
        node = max(self.beams, key=lambda node: log_add_exp(*self.beams[node]))
        score, units = log_add_exp(*self.beams[node]), []
        while node:
            units.append(self.units[node])
            node = self.parents[node]
        return CtcHypothesis(units[::-1], score)


def log_add_exp(a: float, b: float) -> float:
    """Return log(exp(a) + exp(b))."""
    if a < b:
        a, b = b, a
    return a if b == LOG_ZERO else a + math.log1p(math.exp(b - a))
