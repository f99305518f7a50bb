"""The head of classification: cross-entropy, accuracy, macro-F1, the confusion matrix, and class probabilities as JSON."""

from __future__ import annotations

import math
from typing import Any, final

import torch
from torch import Tensor
from torch.nn import functional as F

from ...fields.label import Label
from ..base import Batch, Selection
from ..shared.head import Head


@final
class Classification(Head):
    """Predicts one class for each example with softmax and cross-entropy. An ensemble averages the class probabilities.

    Args:
        label: the field of the classes. The network has one output for each class.
    """

    def __init__(self, label: Label) -> None:
        self.label = label

    @property
    def outputs(self) -> int:
        """The number of classes."""
        return len(self.label.classes)

    @property
    def selection(self) -> Selection:
        """Accuracy selects the best weights."""
        return Selection("accuracy", higher_is_better=True)

    def combine(self, outputs: Tensor) -> Tensor:
        """The log of the mean probability over the ensemble: (M, B, C) -> (B, C)."""
        return outputs.log_softmax(-1).logsumexp(0) - math.log(len(outputs))

    def losses(self, output: Tensor, batch: Batch, training: Any) -> Tensor:
        """The cross-entropy of each example in nats, (B,), with label smoothing in training."""
        smoothing = 0.0 if training is None else training.label_smoothing
        return F.cross_entropy(output, batch.targets[self.label.name], reduction="none", label_smoothing=smoothing)

    def metrics(self, outputs: Tensor, targets: dict[str, Tensor]) -> dict[str, Any]:
        """`accuracy`, `macro_f1` and `confusion`, whose rows are true classes and whose columns are predicted classes."""
        from torchmetrics.functional.classification import multiclass_confusion_matrix, multiclass_f1_score

        predicted, true, C = outputs.argmax(1), targets[self.label.name], self.outputs
        table = multiclass_confusion_matrix(predicted, true, num_classes=C)
        return {
            "accuracy": float((predicted == true).double().mean()),
            "macro_f1": float(multiclass_f1_score(predicted, true, num_classes=C, average="macro")),
            "confusion": {"classes": self.label.classes, "table": table.tolist()},
        }

    def decode(self, outputs: Tensor) -> list[dict[str, Any]]:
        """`label`, its `probability`, and the `probabilities` of the five most probable classes, for each example."""
        probabilities = outputs.softmax(1)
        best = probabilities.argmax(1)
        results = []
        for row, k in zip(probabilities, best.tolist(), strict=True):
            top = torch.topk(row, min(5, len(row)))
            named = {
                self.label.classes[i]: round(p, 6)
                for p, i in zip(top.values.tolist(), top.indices.tolist(), strict=True)
            }
            results.append(
                {"label": self.label.classes[k], "probability": round(row[k].item(), 6), "probabilities": named}
            )
        return results
