"""Connectionist temporal classification: from log-probabilities over time to texts. Graves et al. 2006.

The network gives a distribution over units and a blank at each step. A path, one of these a step, spells a text: repeats are
merged, then blanks dropped. Both searches take steps in pieces: `push(log_probs (T, V))`, and `best()` of all so far. A
shallow copy of a search is independent of it.
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
NEGLIGIBLE = -25.0  # nats: a unit with a lower log-probability at a step is not tried there
LOG_ZERO = -math.inf


@dataclass(frozen=True)
class Hypothesis:
    """A text by its units, and its log-probability, or that part of it which the search has summed."""

    units: list[int]
    score: float


class CtcSearch(Protocol):
    """The interface of both searches."""

    def push(self, log_probs: NDArray[np.floating]) -> None:
        """Take the next steps, (T, V)."""

    def best(self) -> Hypothesis:
        """The most probable text of all steps so far."""


def ctc_search(beam_size: int) -> CtcSearch:
    """A new search: greedy with a beam of 1."""
    return GreedySearch() if beam_size == 1 else PrefixBeamSearch(beam_size)


def min_steps(units: Sequence[object]) -> int:
    """The fewest steps that a text can be spelt in: one for each unit, and a blank between two equal ones."""
    return len(units) + sum(a == b for a, b in pairwise(units))


@final
class GreedySearch:
    """The most probable path. Its score is that of the path, which is less than that of its text."""

    def __init__(self) -> None:
        self.units: list[int] = []
        self.last, self.score = BLANK, 0.0

    def push(self, log_probs: NDArray[np.floating]) -> None:
        if not len(log_probs):
            return
        path = log_probs.argmax(1)
        self.score += float(log_probs[np.arange(len(log_probs)), path].sum(dtype=np.float64))
        before = np.concatenate([[self.last], path[:-1]])
        self.units = self.units + path[(path != BLANK) & (path != before)].tolist()  # not in place: copies share it
        self.last = int(path[-1])

    def best(self) -> Hypothesis:
        return Hypothesis(list(self.units), self.score)


@final
class PrefixBeamSearch:
    """Prefix search: the probabilities of the paths of a text are summed, and `width` texts are kept at each step.

    For each text the search keeps the log-probability of its paths that end in a blank, and of those that end in its last
    unit (Graves 2012, chapter 7.5; Hannun et al. 2014, arXiv:1408.2873). Texts are nodes of a tree: `parents` and `units`
    of each node, where node 0 is the empty text.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self.parents, self.units = [-1], [BLANK]
        self.children: dict[tuple[int, int], int] = {}
        self.beams: dict[int, tuple[float, float]] = {0: (0.0, LOG_ZERO)}

    def push(self, log_probs: NDArray[np.floating]) -> None:
        if not len(log_probs):
            return
        order = np.argsort(-log_probs[:, BLANK + 1 :], axis=1, kind="stable")[:, : self.width] + BLANK + 1
        for step, probable in zip(log_probs.astype(np.float64).tolist(), order.tolist(), strict=True):
            self._step(step, [unit for unit in probable if step[unit] > NEGLIGIBLE] or probable[:1])

    def _step(self, log_probs: list[float], probable: list[int]) -> None:
        blank, units = log_probs[BLANK], self.units
        after: dict[int, tuple[float, float]] = {}
        for node, (in_blank, in_unit) in self.beams.items():  # each text as it is
            last = units[node]
            repeated = in_unit + log_probs[last] if node else LOG_ZERO
            after[node] = (log_add_exp(in_blank, in_unit) + blank, repeated)
        for node, (in_blank, in_unit) in self.beams.items():  # and with one unit more
            total, last = log_add_exp(in_blank, in_unit), units[node]
            for unit in probable:
                # a unit that repeats the last one needs a blank between them
                score = (in_blank if unit == last else total) + log_probs[unit]
                if score > LOG_ZERO:
                    child = self._child(node, unit)
                    before, more = after.get(child, (LOG_ZERO, LOG_ZERO))
                    after[child] = (before, log_add_exp(more, score))
        if len(after) > self.width:
            kept = sorted(after, key=lambda node: -log_add_exp(*after[node]))[: self.width]
            after = {node: after[node] for node in kept}
        self.beams = after

    def _child(self, node: int, unit: int) -> int:
        child = self.children.get((node, unit))
        if child is None:
            child = self.children[node, unit] = len(self.units)
            self.parents.append(node)
            self.units.append(unit)
        return child

    def best(self) -> Hypothesis:
        node = max(self.beams, key=lambda node: log_add_exp(*self.beams[node]))
        score, units = log_add_exp(*self.beams[node]), []
        while node:
            units.append(self.units[node])
            node = self.parents[node]
        return Hypothesis(units[::-1], score)


def log_add_exp(a: float, b: float) -> float:
    """log(exp(a) + exp(b))"""
    if a < b:
        a, b = b, a
    return a if b == LOG_ZERO else a + math.log1p(math.exp(b - a))
