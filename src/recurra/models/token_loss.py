"""Cross-entropy of generated tokens.

`targets` (B, S) are the expected tokens of each step. Only the valid steps of `TokenScores` count.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor
from torch.nn import functional as F

from .seq2seq import TokenScores


def token_loss(scores: TokenScores, targets: Tensor, label_smoothing: float) -> Tensor:
    """The mean cross-entropy of a batch, in nats per token."""
    return F.cross_entropy(scores.scores, targets[scores.valid], label_smoothing=label_smoothing)


def mean_loss(batches: Iterable[tuple[TokenScores, Tensor]]) -> float:
    """The mean cross-entropy over the tokens of all batches of scores and targets, in nats per token.

    It is computed in float32, whatever the precision of the network.
    """
    nats, tokens = 0.0, 0
    for scores, targets in batches:
        expected = targets[scores.valid]
        nats += F.cross_entropy(scores.scores.float(), expected, reduction="sum").item()
        tokens += len(expected)
    return nats / tokens
