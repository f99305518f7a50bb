"""One class for each row: loss, figures and JSON. A task puts this before `RowTask` among its bases."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from ...fields.label import Label
from ...settings import ClassTraining, TrainingSettings
from ..base import Batch


class OneClass:
    """`label` is the field of the classes, among the task's `fields`. Cross-entropy; accuracy, macro-F1, confusion."""

    label: Label
    metric: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True
    Training: ClassVar[type[TrainingSettings]] = ClassTraining

    @property
    def outputs(self) -> int:
        return len(self.label.classes)

    def merge(self, outputs: Tensor) -> Tensor:
        """The mean of the networks' probabilities (M, B, C), as a logarithm (B, C)."""
        return outputs.log_softmax(-1).logsumexp(0) - math.log(len(outputs))

    def row_losses(self, output: Tensor, batch: Batch, label_smoothing: float = 0.0) -> Tensor:
        return F.cross_entropy(output, batch.targets["label"], reduction="none", label_smoothing=label_smoothing)

    def figures(self, outputs: Tensor, targets: dict[str, Tensor]) -> dict[str, Any]:
        from torchmetrics.functional.classification import multiclass_confusion_matrix, multiclass_f1_score

        predicted, wanted, C = outputs.argmax(1), targets["label"], len(self.label.classes)
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
