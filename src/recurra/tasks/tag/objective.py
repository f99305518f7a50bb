"""The loss of a tagger in windows of time steps, for gradient rules."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor
from torch.nn import functional as F

from ...errors import SettingError
from ...models.delay import with_empty_steps
from ...nn.pooling import PoolState
from ..base import Batch
from ..objective import Objective, gathered
from .model import Tagger


@final
class TagObjective(Objective):
    """The cross-entropy of the tags, and of the sentence label where there is one.

    Args:
        tagger: the network, or a member of an ensemble.
        batch: the batch.
        x, features: the arguments of the network.
        weight: the factor of the loss; 1 / M for a member of an ensemble of M networks.

    Raises:
        SettingError: the tags are predicted jointly by a conditional random field.
    """

    has_steps: ClassVar[bool] = True

    def __init__(self, tagger: Tagger, batch: Batch, x: Tensor, features: list[Tensor], weight: float = 1.0) -> None:
        if tagger.transitions is not None:
            raise SettingError("a conditional random field needs all tags of a sequence at once, and this gradient rule reads "
                               "windows; set crf=false")  # fmt: skip
        super().__init__(tagger, tagger.recurrent, batch.inputs["lengths"] + tagger.delay, tagger.pooling)
        self.tagger, self.x = tagger, with_empty_steps(x, tagger.delay)
        self.features = [with_empty_steps(value, tagger.delay) for value in features]
        self.tags, self.labels = batch.targets["tags"], batch.targets.get("sentence_label")
        self.weight = weight / batch.valid

    def inputs(self, index: Tensor) -> Tensor:
        """See `Objective.inputs`."""
        return self.tagger.inputs(gathered(self.x, index), [gathered(value, index) for value in self.features])

    def step_loss(self, y: Tensor, index: Tensor, counted: Tensor) -> Tensor:
        """See `Objective.step_loss`."""
        emissions = self.tagger.head(self.tagger.dropout(y))
        tagged = index - self.tagger.delay  # the tokens whose tags these outputs are
        targets = torch.where(counted & (tagged >= 0), gathered(self.tags, tagged.clamp(min=0)), -1)
        return F.cross_entropy(emissions.transpose(1, 2), targets, reduction="sum", ignore_index=-1) * self.weight

    def final_loss(self, pooled: PoolState, ended: Tensor) -> Tensor:
        """See `Objective.final_loss`."""
        assert self.tagger.label_head is not None and self.tagger.pooling is not None and self.labels is not None
        scores = self.tagger.label_head(self.tagger.label_dropout(self.tagger.pooling.result(pooled)))
        targets = torch.where(ended.to(scores.device), self.labels, -1)
        return F.cross_entropy(scores, targets, reduction="sum", ignore_index=-1) * self.weight
