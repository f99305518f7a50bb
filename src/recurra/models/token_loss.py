"""The loss of the tokens that a network was to say: `batch.targets["next"]` (B, S), where its answer is live."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import Tensor
from torch.nn import functional as F

from ..tasks.base import Batch
from .seq2seq import Answer


def loss_of(answer: Answer, batch: Batch, label_smoothing: float) -> Tensor:
    """Mean loss of a batch to descend, nats a token."""
    return F.cross_entropy(answer.scores, batch.targets["next"][answer.live], label_smoothing=label_smoothing)


def nats_a_token(answered: Callable[[Batch], Answer], batches: Iterable[Batch]) -> float:
    """The loss of a whole part: the mean over the tokens of all batches, in float32 whatever the network computes in."""
    nats, tokens = 0.0, 0
    for batch in batches:
        answer = answered(batch)
        wanted = batch.targets["next"][answer.live]
        nats += F.cross_entropy(answer.scores.float(), wanted, reduction="sum").item()
        tokens += len(wanted)
    return nats / tokens
