"""Connectionist temporal classification: from log-probabilities over time to texts. Graves et al. 2006.

At each step the network says a unit or a blank; a text is read off a path by merging repeats, then dropping blanks. Both
searches take steps in pieces: `push(log_probabilities (T, V))`, and `best()` of all so far. A copy goes its own way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

BLANK = 0
NEGLIGIBLE = -25.0  # nats: a unit less likely at a step is not tried there
NEVER = -math.inf


@dataclass(frozen=True)
class Guess:
    """A text by its units, and the log-probability that the search knows of."""

    units: list[int]
    score: float


class Search(Protocol):
    """What both searches are."""

    def push(self, steps: NDArray[np.floating]) -> None: ...

    def best(self) -> Guess: ...


def search(beam: int) -> Search:
    """Greedy for a beam of 1."""
    return Greedy() if beam == 1 else Beam(beam)


def needed(units: Sequence[object]) -> int:
    """Steps that a text needs at least: one a unit, and a blank between two that are equal."""
    return len(units) + sum(a == b for a, b in pairwise(units))


class Greedy:
    """The most likely path. Its score is that of the path, less than that of its text."""

    def __init__(self) -> None:
        self.units: list[int] = []
        self.last, self.score = BLANK, 0.0

    def push(self, steps: NDArray[np.floating]) -> None:
        if not len(steps):
            return
        path = steps.argmax(1)
        self.score += float(steps[np.arange(len(steps)), path].sum(dtype=np.float64))
        before = np.concatenate([[self.last], path[:-1]])
        self.units = self.units + path[(path != BLANK) & (path != before)].tolist()  # not in place: copies share it
        self.last = int(path[-1])

    def best(self) -> Guess:
        return Guess(list(self.units), self.score)


class Beam:
    """Prefix search: the paths of a text count together, and `width` texts are followed side by side.

    Of each text it is known how likely the paths are that end in a blank, and those that end in its last unit (Graves
    2012, chapter 7.5; Hannun et al. 2014, arXiv:1408.2873). Texts are nodes of a tree, so a long one costs no more.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self.parents, self.units = [-1], [BLANK]  # of each node; the root is the empty text
        self.children: dict[tuple[int, int], int] = {}
        self.beams: dict[int, tuple[float, float]] = {0: (0.0, NEVER)}

    def push(self, steps: NDArray[np.floating]) -> None:
        if not len(steps):
            return
        order = np.argsort(-steps[:, BLANK + 1 :], axis=1, kind="stable")[:, : self.width] + BLANK + 1
        for step, likely in zip(steps.astype(np.float64).tolist(), order.tolist(), strict=True):
            self._step(step, [unit for unit in likely if step[unit] > NEGLIGIBLE] or likely[:1])

    def _step(self, step: list[float], likely: list[int]) -> None:
        blank, units = step[BLANK], self.units
        after: dict[int, tuple[float, float]] = {}
        for node, (ending, going) in self.beams.items():  # each text as it is
            last = units[node]
            stays = going + step[last] if node else NEVER
            after[node] = (_either(ending, going) + blank, stays)
        for node, (ending, going) in self.beams.items():  # and with one unit more
            both, last = _either(ending, going), units[node]
            for unit in likely:
                score = (ending if unit == last else both) + step[unit]  # a repeat wants a blank between
                if score > NEVER:
                    grown = self._child(node, unit)
                    before, more = after.get(grown, (NEVER, NEVER))
                    after[grown] = (before, _either(more, score))
        if len(after) > self.width:
            kept = sorted(after, key=lambda node: -_either(*after[node]))[: self.width]
            after = {node: after[node] for node in kept}
        self.beams = after

    def _child(self, node: int, unit: int) -> int:
        child = self.children.get((node, unit))
        if child is None:
            child = self.children[node, unit] = len(self.units)
            self.parents.append(node)
            self.units.append(unit)
        return child

    def best(self) -> Guess:
        node = max(self.beams, key=lambda node: _either(*self.beams[node]))
        score, units = _either(*self.beams[node]), []
        while node:
            units.append(self.units[node])
            node = self.parents[node]
        return Guess(units[::-1], score)


def _either(a: float, b: float) -> float:
    """log(exp(a) + exp(b))"""
    if a < b:
        a, b = b, a
    return a if b == NEVER else a + math.log1p(math.exp(b - a))
