"""One entry of the matrix, and the numbers that it is computed from."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from .subjects import SUBJECTS, B, I, Subject, state_shapes

STEPS = (1, 5, 20)


@dataclass(frozen=True)
class Configuration:
    """What a layer is and how it is called, whatever the mode. `deep` is two layers, two directions and an initial state."""

    subject: str
    deep: bool
    with_lengths: bool
    T: int
    frozen: bool

    def __str__(self) -> str:
        words = [self.subject, "deep" if self.deep else "plain", f"T={self.T}"]
        words += ["lengths"] * self.with_lengths + ["frozen"] * self.frozen
        return ", ".join(words)


def configurations() -> Iterator[Configuration]:
    """Yield every configuration of every subject."""
    for subject in SUBJECTS.values():
        for deep in (False, True):
            for with_lengths in (False,) if subject.is_cell else (False, True):
                for T in STEPS:
                    for frozen in (False, True):
                        yield Configuration(subject.name, deep, with_lengths, T, frozen)


def pairs_of(c: Configuration) -> set[tuple[tuple[str, int], tuple[str, int]]]:
    """Return every pair of values of a configuration, with their names."""
    values = [("deep", int(c.deep)), ("lengths", int(c.with_lengths)), ("T", c.T), ("frozen", int(c.frozen))]
    return set(combinations(values, 2))


@cache
def covering(subject: str) -> tuple[Configuration, ...]:
    """Return a few configurations of a subject, so that every pair of values occurs in one of them."""
    every = [c for c in configurations() if c.subject == subject]
    missing = {pair for c in every for pair in pairs_of(c)}
    found: list[Configuration] = []
    while missing:
        found.append(max(every, key=lambda c: len(pairs_of(c) & missing)))
        missing -= pairs_of(found[-1])
    return tuple(found)


def entries_of(grid: str) -> list[Configuration]:
    """Return the configurations of a grid.

    all     every configuration of every subject
    pairs   of every subject some configurations, so that every pair of values occurs
    one     one configuration of every subject, with T = 5; every other value occurs in some subjects
    """
    if grid == "all":
        return list(configurations())
    if grid == "pairs":
        return [c for name in SUBJECTS for c in covering(name)]
    few = [[c for c in configurations() if c.subject == name and STEPS[1] == c.T] for name in SUBJECTS]
    return [found[k % len(found)] for k, found in enumerate(few)]


def sample(mode: str, grid: str, count: int | None, seed: int = 0) -> list[Configuration]:
    """Return `count` configurations of each subject, the same for the same mode and seed; those of the grid for None."""
    if count is None:
        return entries_of(grid)
    generator, found = random.Random(f"{seed} {mode}"), []
    for name in SUBJECTS:
        every = [c for c in configurations() if c.subject == name]
        found += generator.sample(every, min(count, len(every)))
    return found


class Case:
    """The tensors of a configuration in one dtype. They are drawn in float32, and so have the same values in float64.

    x, state       leaves of the graph
    lengths        (B,), or None
    example        another input of the same shapes, with other lengths, for modes that record a graph from an example
    """

    def __init__(self, configuration: Configuration, dtype: torch.dtype, device: str = "cpu") -> None:
        self.configuration, self.dtype, self.device = configuration, dtype, device
        c = configuration
        self.subject: Subject = SUBJECTS[c.subject]
        self.generator = torch.Generator().manual_seed(11)
        shapes = [(B, c.T, I), *(state_shapes(self.subject, c.deep) if c.deep else [])]
        self.x, *self.state = [self.random(*shape).requires_grad_() for shape in shapes]
        self.example_tensors = [self.random(*shape) for shape in shapes]
        self.lengths = torch.tensor([c.T, max(1, c.T // 2), 1, c.T]) if c.with_lengths else None
        self.example_lengths = torch.tensor([1, c.T, c.T, max(1, c.T // 3)]) if c.with_lengths else None
        self.unit_loss = False  # all coefficients of the loss are 1, where tensors have no values

    def random(self, *shape: int) -> Tensor:
        """Return the next tensor of random numbers of about size one."""
        return torch.randn(shape, generator=self.generator, dtype=torch.float32).to(self.device, self.dtype)

    @property
    def inputs(self) -> list[Tensor]:
        """The inputs with gradients: x and the initial state."""
        return [self.x, *self.state]

    @property
    def rest(self) -> list[Tensor]:
        """What follows x and the initial state in a call: the lengths, if there are any."""
        return [] if self.lengths is None else [self.lengths]

    @property
    def example(self) -> tuple[Tensor, ...]:
        """All arguments of a call with other values."""
        return (*self.example_tensors, *([] if self.example_lengths is None else [self.example_lengths]))

    @cached_property
    def input_names(self) -> list[str]:
        """Names of the inputs with gradients."""
        return ["x", *(f"state {k}" for k in range(len(self.state)))]

    def coefficients(self, outputs: Sequence[Tensor], row: int = 0) -> list[Tensor]:
        """Return one random tensor for each output, by which a loss weights it; `row` gives others."""
        if self.unit_loss:
            return [torch.ones_like(output, dtype=self.dtype) for output in outputs]
        generator = np.random.default_rng(13 + row)  # NumPy's, because vmap forbids random operations of torch
        numbers = [generator.standard_normal(tuple(output.shape), np.float32) for output in outputs]
        return [torch.from_numpy(array).to(self.device, self.dtype) for array in numbers]

    def loss(self, outputs: Sequence[Tensor], row: int = 0) -> Tensor:
        """Return a number that depends on every value of every output."""
        pairs = zip(outputs, self.coefficients(outputs, row), strict=True)
        total: Tensor = torch.stack([(output.to(c.dtype) * c).sum() for output, c in pairs]).sum()
        return total
