"""`Objective`: the loss of a batch of sequences in windows of time steps, from which gradient rules compute gradients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..nn import Recurrent
from ..nn.pooling import Pooling, PoolState


class Objective(ABC):
    """The loss of B sequences of at most T time steps under recurrent layers in one direction.

        x    = inputs(index)                       what the recurrent layers read, (B, n, I)
        y    = recurrent(x, state)                 their output, (B, n, H)
        loss = sum of step_loss(y, ...)            over all time steps, for an N-to-N task
             + final_loss(pooling of all y)        for an N-to-1 task

    The losses are scaled so that their sum is the mean loss that the task reports. A gradient rule decides which time steps are
    read together and how far a gradient reaches.

    Args:
        network: the module with all parameters that have a gradient.
        recurrent: the recurrent layers in it.
        lengths: (B,), the number of time steps of each sequence.
        pooling: the pooling of the outputs. None: there is no final loss.

    Attributes:
        has_steps: whether there is a loss of each time step.
        begin: the time step at which the losses begin; earlier ones are context.
        resume: the time step before which the next batch begins. None: the next batch begins with a new state.
        is_window: whether the batch is one window of longer sequences, chosen by the sampler, which a rule does not divide.
        restarts: (B, T) booleans: the sequences restart from the initial state at these time steps. None: nowhere.
    """

    has_steps: ClassVar[bool]

    def __init__(
        self, network: nn.Module, recurrent: Recurrent, lengths: Tensor, pooling: Pooling | None = None
    ) -> None:
        self.network, self.recurrent, self.pooling = network, recurrent, pooling
        self.lengths = lengths.cpu()  # positions are computed on the CPU, so that a GPU does not wait
        self.steps = int(self.lengths.max()) if len(lengths) else 0
        self.begin, self.resume, self.is_window = 0, None, False
        self.restarts: Tensor | None = None

    begin: int
    resume: int | None
    is_window: bool

    @property
    def device(self) -> torch.device:
        """The device of the network."""
        return next(self.network.parameters()).device

    @abstractmethod
    def inputs(self, index: Tensor) -> Tensor:
        """Return the input of the recurrent layers (B, n, I) at the time steps `index` (B, n) of each sequence."""

    @abstractmethod
    def step_loss(self, y: Tensor, index: Tensor, counted: Tensor) -> Tensor:
        """Return the sum of the losses of the outputs y (B, n, H) at the time steps `index` (B, n) that `counted` (B, n) marks.

        Called only where `has_steps`.
        """

    @abstractmethod
    def final_loss(self, pooled: PoolState, ended: Tensor) -> Tensor:
        """Return the sum of the losses of the sequences that `ended` (B,) marks. Called only with a pooling."""


def gathered(values: Tensor, index: Tensor) -> Tensor:
    """Return the entries (B, n, ...) of values (B, T, ...) at the time steps `index` (B, n)."""
    rows: Any = torch.arange(len(index), device=index.device)[:, None]
    return values[rows, index]
