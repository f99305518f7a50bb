"""`GradientRule`, the interface of all rules, and `Cursor`, which reads a batch in windows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, final

import torch
from torch import Tensor

from ...nn import State
from ...nn.pooling import PoolState
from ...tasks.base import Backward
from ...tasks.objective import Objective


class GradientRule(ABC):
    """Computes the gradient of the loss of a batch, or an approximation of it.

    Attributes:
        name: the name in `training.gradient`.
    """

    name: ClassVar[str]

    def check(self, objective: Objective) -> None:  # noqa: B027  most rules support every cell
        """Raise SettingError where the rule does not support the network. It is called before training."""

    @abstractmethod
    def gradient(self, objective: Objective, state: State | None, backward: Backward) -> tuple[Tensor, State | None]:
        """Add the gradient to that of the parameters.

        Args:
            objective: the loss of the batch.
            state: what the previous batch returned. None: the sequences begin.
            backward: adds the gradient of a loss to the gradients of the parameters.

        Returns:
            The loss, detached, and the state for the next batch, where `objective.resume` is not None.
        """

    def rate(self, steps: int) -> float:
        """The factor of the learning rate for a batch that is a window of `steps` time steps."""
        return 1.0


@final
class Cursor:
    """A position in each sequence of a batch, with the state before it.

    Args:
        objective: the loss of the batch.
        at: (B,), the time step of each sequence that is read next.
        state: the state of the recurrent layers. None: the initial state.
        pooled: the state of the pooling. None: nothing was pooled.
    """

    def __init__(
        self, objective: Objective, at: Tensor, state: State | None = None, pooled: PoolState | None = None
    ) -> None:
        self.objective, self.at, self.state, self.pooled = objective, at, state, pooled

    @classmethod
    def at_begin(cls, objective: Objective, state: State | None = None) -> Cursor:
        """The cursor at the beginning of the batch."""
        return cls(objective, torch.zeros_like(objective.lengths), state)

    def read(self, end: Tensor) -> tuple[Tensor, Tensor, Tensor, Cursor]:
        """Read the time steps up to `end` (B,), at least `at`.

        Returns the outputs (B, n, H), their time steps (B, n), which of them are valid (B, n), and the cursor after them.
        """
        objective, count = self.objective, end - self.at
        n = int(count.max())
        steps = torch.arange(n)
        index = (self.at[:, None] + steps).clamp(max=max(objective.steps - 1, 0)).to(objective.device)
        lengths = None if bool((count == n).all()) else count
        restarts = None if objective.restarts is None else objective.restarts.to(index.device).gather(1, index)
        y, state = objective.recurrent(objective.inputs(index), self.state, lengths=lengths, reset=restarts)
        pooled = None if objective.pooling is None else objective.pooling.push(y, lengths, self.pooled)
        return y, index, (steps < count[:, None]).to(index.device), Cursor(objective, end, state, pooled)

    def moved(self, to: Tensor, window: int) -> Cursor:
        """Return the cursor at `to` (B,). The time steps before are read without a gradient, in windows."""
        cursor = self
        with torch.no_grad():
            while bool((cursor.at < to).any()):
                cursor = cursor.read(torch.minimum(cursor.at + window, to))[-1]
        return cursor.detached()

    def detached(self) -> Cursor:
        """Return the cursor with a state that no gradient passes."""
        pooled = None if self.pooled is None else tuple(value.detach() for value in self.pooled)
        return Cursor(self.objective, self.at, None if self.state is None else self.state.detach(), pooled)

    def scaled(self, factor: float) -> Cursor:
        """Return the cursor with a state whose gradient is multiplied by `factor`."""
        pooled = None if self.pooled is None else tuple(scaled_gradient(value, factor) for value in self.pooled)
        state = None if self.state is None else self.state.map(lambda value: scaled_gradient(value, factor))
        return Cursor(self.objective, self.at, state, pooled)


def scaled_gradient(value: Tensor, factor: float) -> Tensor:
    """Return `value`; its gradient is multiplied by `factor`."""
    return _ScaledGradient.apply(value, factor)  # type: ignore[no-any-return, no-untyped-call]


@final
class _ScaledGradient(torch.autograd.Function):
    """The identity, with a factor in the backward pass."""

    @staticmethod
    def forward(ctx: object, value: Tensor, factor: float) -> Tensor:
        ctx.factor = factor  # type: ignore[attr-defined]
        return value.view_as(value)

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * ctx.factor, None  # type: ignore[attr-defined]
