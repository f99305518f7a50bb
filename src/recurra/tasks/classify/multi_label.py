"""The head of multi-label classification: a sigmoid for each label, thresholds, and F1 per label, micro and macro."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor
from torch.nn import functional as F

from ...fields.labels import Labels
from ..base import Batch, Selection
from ..shared.head import Head
from .thresholds import fit_thresholds

SHOWN = 5  # labels whose probability is shown besides those that are predicted


@final
class MultiLabel(Head):
    """Predicts a set of labels for each example, with sigmoid and binary cross-entropy. An ensemble averages probabilities.

    A label is predicted if its probability exceeds its threshold, which is 0.5 until it is fitted to the validation part.

    Args:
        labels: the field of the labels. The network has one output for each label.
        thresholds: the thresholds (K,) as logits; None: zeros.
    """

    def __init__(self, labels: Labels, thresholds: Tensor | None = None) -> None:
        self.labels = labels
        self.thresholds = torch.zeros(len(labels.classes)) if thresholds is None else thresholds.float().cpu()

    @property
    def outputs(self) -> int:
        """The number of labels."""
        return len(self.labels.classes)

    @property
    def selection(self) -> Selection:
        """Micro-averaged F1 selects the best weights."""
        return Selection("micro_f1", higher_is_better=True)

    # thresholds --------------------------------------------------------------------------------------------------------
    def buffers(self) -> dict[str, Tensor]:
        """The buffers of the network: the thresholds as logits (K,)."""
        return {"thresholds": torch.zeros(self.outputs)}

    def with_buffers(self, buffers: Mapping[str, Tensor]) -> MultiLabel:
        """The head with the thresholds of a network."""
        return MultiLabel(self.labels, buffers["thresholds"])

    def fit_buffers(self, outputs: Tensor, targets: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
        """Fit the threshold of each label to outputs (N, K). Returns the buffers and a line about them."""
        true = targets[self.labels.name].bool()
        thresholds, fitted = fit_thresholds(outputs, true)
        before, after = (float(micro_f1(outputs > limit, true)) for limit in (torch.zeros(self.outputs), thresholds))
        line = (
            f"thresholds of {fitted} of {self.outputs} labels fitted to the validation data: micro F1 {after:.4f}, "
            f"{before:.4f} with 0.5 for all"
        )
        return {"thresholds": thresholds}, [line]

    # loss and metrics --------------------------------------------------------------------------------------------------
    def combine(self, outputs: Tensor) -> Tensor:
        """The logits of the mean probabilities over the ensemble: (M, B, K) -> (B, K)."""
        positive, negative = F.logsigmoid(outputs).logsumexp(0), F.logsigmoid(-outputs).logsumexp(0)
        return positive - negative

    def losses(self, output: Tensor, batch: Batch, training: Any) -> Tensor:
        """The binary cross-entropy of each example in nats per label, (B,), with label smoothing in training."""
        smoothing = 0.0 if training is None else training.label_smoothing
        target = batch.targets[self.labels.name].to(output.dtype) * (1 - smoothing) + smoothing / 2
        return F.binary_cross_entropy_with_logits(output, target, reduction="none").mean(1)

    def metrics(self, outputs: Tensor, targets: dict[str, Tensor]) -> dict[str, Any]:
        """`micro_f1`, `macro_f1` (over labels that occur or are predicted), `exact_match` of whole sets, and each label."""
        true, predicted = targets[self.labels.name].bool(), outputs > self.thresholds
        hits, guessed, actual = ((mask.double()).sum(0) for mask in (true & predicted, predicted, true))
        f1 = 2 * hits / (guessed + actual).clamp(min=1)
        seen = guessed + actual > 0
        rows = zip(self.labels.classes, hits.tolist(), guessed.tolist(), actual.tolist(), f1.tolist(), strict=True)
        limits = torch.sigmoid(self.thresholds).tolist()
        return {
            "micro_f1": float(micro_f1(predicted, true)),
            "macro_f1": float(f1[seen].mean()) if bool(seen.any()) else 0.0,
            "exact_match": float((true == predicted).all(1).double().mean()),
            "labels": {
                name: {
                    "precision": hit / guess if guess else 0.0,
                    "recall": hit / real if real else 0.0,
                    "f1": score,
                    "rows": int(real),
                    "threshold": round(limit, 6),
                }
                for (name, hit, guess, real, score), limit in zip(rows, limits, strict=True)
            },
        }

    def decode(self, outputs: Tensor) -> list[dict[str, Any]]:
        """`labels`, most probable first, and `probabilities` of these and of the most probable others, for each example."""
        probabilities, predicted = torch.sigmoid(outputs), outputs > self.thresholds
        results = []
        for row, mask in zip(probabilities, predicted, strict=True):
            order = torch.argsort(row, descending=True, stable=True).tolist()
            chosen = [k for k in order if mask[k]]
            shown = dict.fromkeys([*chosen, *order[:SHOWN]])
            results.append(
                {
                    "labels": [self.labels.classes[k] for k in chosen],
                    "probabilities": {self.labels.classes[k]: round(row[k].item(), 6) for k in shown},
                }
            )
        return results


def micro_f1(predicted: Tensor, true: Tensor) -> Tensor:
    """F1 over all labels of all examples (N, K); 1 where there are none and none is predicted.

    >>> float(micro_f1(torch.tensor([[True, False]]), torch.tensor([[True, True]])).round(decimals=3))
    0.667
    """
    hits, total = (predicted & true).sum().double(), (predicted.sum() + true.sum()).double()
    return torch.ones((), dtype=torch.float64) if total == 0 else 2 * hits / total
