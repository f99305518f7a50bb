"""Fits the threshold of each label to validation data."""

from __future__ import annotations

import torch
from torch import Tensor

MIN_ROWS = 5  # rows with and without a label that a fit needs


def fit_thresholds(outputs: Tensor, true: Tensor) -> tuple[Tensor, int]:
    """The logits above which each label is predicted so that its F1 is highest, and the number of labels that were fitted.

    A threshold lies in the middle between the two outputs that it separates. Of equal F1 the threshold closest to a probability
    of 0.5 is taken. A label with fewer than five rows with it, or without it, keeps 0.5.

    Args:
        outputs: logits (N, K).
        true: the labels (N, K), bool.

    >>> fit_thresholds(torch.tensor([[-3.0], [-2.0], [1.0]] * 5), torch.tensor([[False], [True], [True]] * 5))
    (tensor([-2.5000]), 1)
    """
    thresholds, fitted = torch.zeros(outputs.shape[1]), 0
    for k in range(outputs.shape[1]):
        positive = int(true[:, k].sum())
        if min(positive, len(true) - positive) >= MIN_ROWS:
            thresholds[k] = _best(outputs[:, k].double(), true[:, k])
            fitted += 1
    return thresholds, fitted


def _best(outputs: Tensor, true: Tensor) -> float:
    """The threshold with the highest F1 of one label, (N,)."""
    values, order = outputs.sort(descending=True)
    hits = true[order].double().cumsum(0)
    guessed = torch.arange(1, len(values) + 1, dtype=torch.float64)
    f1 = 2 * hits / (guessed + true.sum())
    is_cut = torch.ones(len(values), dtype=torch.bool)
    is_cut[:-1] = values[:-1] > values[1:]  # equal outputs are on one side
    middle = torch.cat([(values[:-1] + values[1:]) / 2, values[-1:] - 1])
    f1, middle = f1[is_cut], middle[is_cut]
    best = middle[f1 >= f1.max() - 1e-12]
    return float(best[best.abs().argmin()])
