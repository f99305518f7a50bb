"""The lengths of the windows into which a long sequence is divided: equal, random, or between random truncation points."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np


class WindowLengths(ABC):
    """Divides a sequence into windows.

    Attributes:
        mean: mean number of time steps of a window.
        context: number of time steps before a window that are read again.
    """

    mean: int
    context: int = 0

    @abstractmethod
    def divide(self, steps: int, random: np.random.Generator) -> list[int]:
        """Return the lengths of the windows of `steps` time steps, in order. They add up to `steps`."""


@final
@dataclass(frozen=True)
class EqualLengths(WindowLengths):
    """Windows of `mean` time steps; the last one may be shorter."""

    mean: int
    context: int = 0

    def divide(self, steps: int, random: np.random.Generator) -> list[int]:
        """Return the lengths, which do not depend on `random`."""
        full, rest = divmod(steps, self.mean)
        return [self.mean] * full + ([rest] if rest else [])


@final
@dataclass(frozen=True)
class RandomLengths(WindowLengths):
    """Windows of random length: Merity, Keskar and Socher 2018, arXiv:1708.02182.

    The mean is `mean`, or half of it with probability 0.05; the standard deviation is a fourteenth of it, 5 for 70.
    """

    mean: int

    def one(self, random: np.random.Generator) -> int:
        """Return the length of a window, at least 1."""
        mean = self.mean if random.random() < 0.95 else self.mean / 2
        return max(1, round(random.normal(mean, self.mean / 14)))

    def divide(self, steps: int, random: np.random.Generator) -> list[int]:
        """Return random lengths, of which the last one is cut off at the end."""
        lengths: list[int] = []
        while steps:
            lengths.append(min(self.one(random), steps))
            steps -= lengths[-1]
        return lengths


@final
@dataclass(frozen=True)
class RandomTruncation(WindowLengths):
    """Windows between random truncation points: Tallec and Ollivier 2017, arXiv:1705.08209.

    A truncation is possible after every `block` time steps. After the n-th block since the last one its probability is

        c(n) = (a - 1) / ((a - 2) L + n),    L = mean / block,    a = 6,

    so that a window has `mean` time steps on average, and long ones are rare. A gradient that crosses a point at which the
    sequence was not truncated is multiplied by `weight(n)` = 1 / (1 - c(n)); its expectation is then the full gradient.
    """

    block: int
    mean: int

    def probability(self, n: int) -> float:
        """The probability of a truncation after the n-th block of a window, n >= 1."""
        return 5 / (4 * self.mean / self.block + n)

    def weight(self, n: int) -> float:
        """The factor of a gradient that passes the end of the n-th block of a window."""
        return 1 / (1 - self.probability(n))

    def divide(self, steps: int, random: np.random.Generator) -> list[int]:
        """Return the lengths of the windows: multiples of `block`, except for the last one."""
        lengths, n, done = [], 1, 0
        while done < steps:
            if done + n * self.block >= steps:
                lengths.append(steps - done)
                break
            if random.random() < self.probability(n):
                lengths.append(n * self.block)
                done, n = done + n * self.block, 1
            else:
                n += 1
        return lengths
