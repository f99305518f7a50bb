"""The loss of an N-to-1 network in windows of time steps, for gradient rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, final

import torch
from torch import Tensor

from ...models.encoder import EncoderState, SequenceToVector
from ...nn.pooling import PoolState
from ..base import Batch
from ..objective import Objective, gathered


@final
class VectorObjective(Objective):
    """The loss of the output that is computed from the pooled outputs of all time steps.

    Args:
        network: the network, or a member of an ensemble.
        batch: the inputs x (B, T) or (B, T, I) and lengths (B,).
        losses: the losses (B,) of outputs (B, C).
        weight: the factor of the mean loss; 1 / M for a member of an ensemble of M networks.
    """

    has_steps: ClassVar[bool] = False

    def __init__(
        self, network: SequenceToVector, batch: Batch, losses: Callable[[Tensor], Tensor], weight: float = 1.0
    ) -> None:
        encoder = network.encoder
        super().__init__(network, encoder.recurrent, batch.inputs["lengths"], encoder.pooling)
        self.member, self.x, self.losses, self.weight = network, batch.inputs["x"], losses, weight / len(self.lengths)

    def inputs(self, index: Tensor) -> Tensor:
        """See `Objective.inputs`."""
        return self.member.encoder.inputs(gathered(self.x, index))

    def step_loss(self, y: Tensor, index: Tensor, counted: Tensor) -> Tensor:
        """There is no loss of a time step."""
        raise NotImplementedError("an N-to-1 task has one loss for each sequence")

    def final_loss(self, pooled: PoolState, ended: Tensor) -> Tensor:
        """See `Objective.final_loss`."""
        losses = self.losses(self.member.result(EncoderState(None, pooled)))
        return torch.where(ended.to(losses.device), losses, 0.0).sum() * self.weight
