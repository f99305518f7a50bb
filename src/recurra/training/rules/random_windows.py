"""Windows of random length: `artbp` and `random_length`."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from ...data.store.window_lengths import RandomLengths, RandomTruncation
from ...nn import State
from ...tasks.base import Backward
from ...tasks.objective import Objective
from .base import Cursor, GradientRule
from .tbptt import final_pass, step_passes


def drawn() -> np.random.Generator:
    """A generator that depends on torch's random state, which a checkpoint contains."""
    return np.random.default_rng(int(torch.randint(2**62, (), dtype=torch.int64)))


@final
class ARTBP(GradientRule):
    """Truncation at random points, with weights that keep the gradient unbiased: arXiv:1705.08209.

    A truncation is possible after every k1 time steps; windows have k2 time steps on average. See `RandomTruncation`.
    """

    name: ClassVar[str] = "artbp"

    def __init__(self, k1: int, k2: int) -> None:
        self.truncation = RandomTruncation(k1, k2)

    def gradient(self, objective: Objective, state: State | None, backward: Backward) -> tuple[Tensor, State | None]:
        """See `GradientRule.gradient`."""
        T, block = objective.steps, self.truncation.block
        windows = [T] if objective.is_window else self.truncation.divide(T, drawn())
        cursor, total, begin = Cursor.at_begin(objective, state), torch.zeros((), device=objective.device), 0
        for length in windows:
            loss, cursor = self._window(cursor, begin, begin + length, block)
            if loss is not None:
                backward(loss)
                total = total + loss.detach()
            cursor, begin = cursor.detached(), begin + length
        return total, None if objective.resume is None else cursor.state

    def _window(self, cursor: Cursor, begin: int, end: int, block: int) -> tuple[Tensor | None, Cursor]:
        """Read a window. Returns its loss, None where it has none, and the cursor after it."""
        objective, loss = cursor.objective, None
        lengths = objective.lengths
        ends_here = (lengths > begin) & (lengths <= end)
        with torch.set_grad_enabled(objective.has_steps or bool(ends_here.any())):
            for n, first in enumerate(range(begin, end, block)):
                if n:
                    cursor = cursor.scaled(self.truncation.weight(n))
                last = min(first + block, end)
                y, index, valid, cursor = cursor.read(torch.maximum(lengths.clamp(max=last), cursor.at))
                losses = [objective.step_loss(y, index, valid)] if objective.has_steps else []
                ended = (lengths > first) & (lengths <= last)
                if cursor.pooled is not None and bool(ended.any()):
                    losses.append(objective.final_loss(cursor.pooled, ended))
                for one in losses:
                    loss = one if loss is None else loss + one
        return loss, cursor


@final
class RandomLength(GradientRule):
    """Truncated backpropagation in windows of random length: arXiv:1708.02182.

    Where a batch is one window, the learning rate is multiplied by its length divided by the mean length k1, so that each time
    step has the same weight.
    """

    name: ClassVar[str] = "random_length"

    def __init__(self, k1: int, k2: int) -> None:
        self.lengths = RandomLengths(k1)

    def gradient(self, objective: Objective, state: State | None, backward: Backward) -> tuple[Tensor, State | None]:
        """See `GradientRule.gradient`."""
        T, random, after = objective.steps, drawn(), None
        total = torch.zeros((), device=objective.device)
        if objective.has_steps:
            windows = [T] if objective.is_window else self.lengths.divide(T, random)
            ends = np.cumsum(windows).tolist()
            total, after = step_passes(objective, state, ends, None, backward)
        if objective.pooling is not None:
            total = total + final_pass(objective, self.lengths.one(random), backward)
        return total, after

    def rate(self, steps: int) -> float:
        """The length of the window divided by the mean length."""
        return steps / self.lengths.mean
