"""Ordinal regression for ratings, grades or severities: ordered classes, in which small errors are better than large ones.

    recurra train examples/ordinal.py:Ordinal reviews.csv --label stars
    recurra predict runs/reviews new.txt --import examples/ordinal.py

For K ordered classes the network has K - 1 outputs. The sigmoid of output k is the probability that the class is above the k-th
class (Frank and Hall 2001, A Simple Approach to Ordinal Classification). The prediction is the number of probabilities above
one half. The input is text, numbers, images or audio, as for `classify`.
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch.nn import functional as F

from recurra.fields import Label
from recurra.settings import Settings, TrainingSettings, setting
from recurra.tasks.base import Selection
from recurra.tasks.inputs.registry import InputData, InputModel
from recurra.tasks.shared import Head, RowDataset, SequenceTask


class OrdinalData(InputData):
    """Settings of the data: an input and a column of ratings."""

    label: str | None = setting(None, description="Column of the ratings; detected by default.")


class Thresholds(Head):
    """A head with one output for each boundary between two adjacent classes."""

    selection = Selection("mae")

    def __init__(self, label):
        self.label = label

    @property
    def outputs(self):
        return len(self.label.classes) - 1

    def combine(self, outputs):
        return outputs.mean(0)

    def losses(self, output, batch, training):
        above = batch.targets["label"][:, None] > torch.arange(self.outputs, device=output.device)
        return F.binary_cross_entropy_with_logits(output, above.to(output.dtype), reduction="none").mean(1)

    def metrics(self, outputs, targets):
        error = ((outputs > 0).sum(1) - targets["label"]).abs()
        return {"mae": error.double().mean(), "accuracy": (error == 0).double().mean()}

    def decode(self, outputs):
        return [{"label": self.label.classes[k]} for k in (outputs > 0).sum(1).tolist()]


class Ordinal(SequenceTask[Settings[OrdinalData, InputModel, TrainingSettings]]):
    """Ordinal regression on sequences."""

    name, structure, summary = "ordinal", "N to 1", "a rating for each sequence: classes with an order"
    settings_class = Settings[OrdinalData, InputModel, TrainingSettings]

    @classmethod
    def dataset_for(cls, settings):
        return RowDataset(settings, [Label("label", settings.data.label, order=float)])

    @cached_property
    def head(self):
        return Thresholds(self.dataset.target(Label))
