"""The loss of a language model in windows of time steps, for gradient rules."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor
from torch.nn import functional as F

from ...models.sampled_softmax import sampled_softmax_loss
from ...nn.pooling import PoolState
from ..base import Batch
from ..objective import Objective, gathered
from .model import LanguageNetwork
from .settings import LanguageTraining


@final
class LanguageObjective(Objective):
    """The cross-entropy of the next tokens.

    Args:
        network: the language model.
        batch: tokens and targets, (B, T) each.
        training: the settings of the loss.
        tokens: the number of tokens by which the sum of the losses is divided. None: those of the batch that have a loss.
    """

    has_steps: ClassVar[bool] = True

    def __init__(
        self, network: LanguageNetwork, batch: Batch, training: LanguageTraining, tokens: int | None = None
    ) -> None:
        self.x, self.targets, self.training, self.model = batch.inputs["x"], batch.targets["next"], training, network
        B, T = self.x.shape
        super().__init__(network, network.recurrent, torch.full((B,), T))
        window = batch.window
        if window is not None:
            self.begin, self.is_window = window.context, window.continues
            self.resume = T - window.next_context if window.continues else None
            self.restarts = None if window.restarts is None else torch.from_numpy(window.restarts).to(self.x.device)
        self.tokens = tokens or B * (T - self.begin)

    def inputs(self, index: Tensor) -> Tensor:
        """See `Objective.inputs`."""
        embedded: Tensor = self.model.input_dropout(self.model.embedding(gathered(self.x, index)))
        return embedded

    def step_loss(self, y: Tensor, index: Tensor, counted: Tensor) -> Tensor:
        """See `Objective.step_loss`."""
        features = self.model.bridge(self.model.dropout(y))[counted]
        targets = gathered(self.targets, index)[counted]
        if sampled := self.training.sampled_softmax:
            return sampled_softmax_loss(features, self.model.output, targets, sampled) * (len(targets) / self.tokens)
        logits, smoothing = self.model.output(features), self.training.label_smoothing
        return F.cross_entropy(logits, targets, reduction="sum", label_smoothing=smoothing) / self.tokens

    def final_loss(self, pooled: PoolState, ended: Tensor) -> Tensor:
        """There is no final loss."""
        raise NotImplementedError("a language model has a loss at every time step")
