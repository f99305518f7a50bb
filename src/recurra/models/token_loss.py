"""The loss of generated tokens: `targets` (B, S) holds those wanted at each step, and counts where the answer is live."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor
from torch.nn import functional as F

from .seq2seq import TokenScores


def token_loss(answer: TokenScores, targets: Tensor, label_smoothing: float) -> Tensor:
    """The mean loss of a batch, nats a token."""
    return F.cross_entropy(answer.scores, targets[answer.valid], label_smoothing=label_smoothing)


def mean_loss(answers: Iterable[tuple[TokenScores, Tensor]]) -> float:
    """The mean over the tokens of all batches, in float32 whatever the network computes in. Answers and their targets."""
    nats, tokens = 0.0, 0
    for answer, targets in answers:
        wanted = targets[answer.valid]
        nats += F.cross_entropy(answer.scores.float(), wanted, reduction="sum").item()
        tokens += len(wanted)
    return nats / tokens
