"""The scores that a tagger gives to tags and intents: their mean over an ensemble, the loss, and the best tags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ...nn.crf import Chain, best_path, log_partition, path_score


class Scores(NamedTuple):
    """The output of a tagger.

    emissions  the score of each tag of each token, (B, T, K)
    chain      transitions, where the output is a conditional random field
    intent     the score of each intent, (B, C), where rows have one
    """

    emissions: Tensor
    chain: Chain | None
    intent: Tensor | None


def mean_scores(scores: Sequence[Scores]) -> Scores:
    """The mean of the scores of an ensemble.

    It gives the chain whose probabilities are the geometric mean of theirs (a product of experts: Hinton 2002).
    """
    chains = [one.chain for one in scores if one.chain is not None]
    intents = [one.intent.log_softmax(-1) for one in scores if one.intent is not None]
    return Scores(
        _mean([one.emissions for one in scores]),
        Chain(*(_mean(tensors) for tensors in zip(*chains, strict=True))) if chains else None,
        _mean(intents) if intents else None,
    )


def _mean(tensors: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(tensors)).mean(0)


def row_losses(scores: Scores, tags: Tensor, lengths: Tensor, intent: Tensor | None) -> Tensor:
    """The loss of the tags and the intent of each row together, in nats, (B,). An intent of -1 is unknown and adds 0."""
    if scores.chain is not None:
        losses = log_partition(scores.emissions, scores.chain, lengths) - path_score(
            scores.emissions, tags, scores.chain, lengths
        )
    else:
        valid = torch.arange(tags.shape[1], device=tags.device) < lengths[:, None]
        targets = torch.where(valid, tags, -1)
        losses = F.cross_entropy(scores.emissions.transpose(1, 2), targets, reduction="none", ignore_index=-1).sum(1)
    if scores.intent is not None and intent is not None:
        losses = losses + F.cross_entropy(scores.intent, intent, reduction="none", ignore_index=-1)
    return losses


def best_tags(scores: Scores, lengths: Tensor | None = None) -> Tensor:
    """The tags of each row, (B, T): the best path, or the best tag of each token."""
    if scores.chain is not None:
        return best_path(scores.emissions, scores.chain, lengths)
    return scores.emissions.argmax(-1)


def rows_at_once(tags: int) -> int:
    """The rows of a batch in evaluation, where there are so many tags: the best path takes K^2 numbers for each row."""
    return max(1, min(256, 2**25 // tags**2))
