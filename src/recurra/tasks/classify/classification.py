"""One class for each row: cross-entropy; accuracy, macro-F1 and the confusion matrix; probabilities as JSON."""

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
    """The classes of the field `label`. Several networks are combined by the mean of their probabilities."""

    def __init__(self, label: Label) -> None:
        self.label = label

    @property
    def outputs(self) -> int:
        return len(self.label.classes)

    @property
    def selection(self) -> Selection:
        return Selection("accuracy", higher_is_better=True)

    def combine(self, outputs: Tensor) -> Tensor:
        return outputs.log_softmax(-1).logsumexp(0) - math.log(len(outputs))

    def losses(self, output: Tensor, batch: Batch, training: Any) -> Tensor:
        smoothing = 0.0 if training is None else training.label_smoothing
        return F.cross_entropy(output, batch.targets[self.label.name], reduction="none", label_smoothing=smoothing)

    def metrics(self, outputs: Tensor, targets: dict[str, Tensor]) -> dict[str, Any]:
        from torchmetrics.functional.classification import multiclass_confusion_matrix, multiclass_f1_score

        predicted, wanted, C = outputs.argmax(1), targets[self.label.name], self.outputs
        table = multiclass_confusion_matrix(predicted, wanted, num_classes=C)
        return {
            "accuracy": float((predicted == wanted).double().mean()),
            "macro_f1": float(multiclass_f1_score(predicted, wanted, num_classes=C, average="macro")),
            "confusion": {"classes": self.label.classes, "table": table.tolist()},  # rows: true, columns: predicted
        }

    def decode(self, outputs: Tensor) -> list[dict[str, Any]]:
        probabilities = outputs.softmax(1)
        best = probabilities.argmax(1)
        results = []
        for row, k in zip(probabilities, best.tolist(), strict=True):
            top = torch.topk(row, min(5, len(row)))
            likely = {
                self.label.classes[i]: round(p, 6)
                for p, i in zip(top.values.tolist(), top.indices.tolist(), strict=True)
            }
            results.append({"label": self.label.classes[k], "probability": round(row[k].item(), 6), "likely": likely})
        return results
