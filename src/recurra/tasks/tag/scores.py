"""The scores that a tagger gives to tags and sentence_labels: their mean over an ensemble, the loss, and the best tags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ...nn.crf import TransitionScores, best_path, log_partition, path_score


class Scores(NamedTuple):
    """The output of a tagger.

    emissions  the score of each tag of each token, (B, T, K)
    chain      transitions, where the output is a conditional random field
    sentence_label     the score of each sentence_label, (B, C), where rows have one
    """

    emissions: Tensor
    chain: TransitionScores | None
    sentence_label: Tensor | None


def mean_scores(scores: Sequence[Scores]) -> Scores:
    """The mean of the scores of an ensemble.

    It gives the chain whose probabilities are the geometric mean of theirs (a product of experts: Hinton 2002).
    """
    chains = [one.chain for one in scores if one.chain is not None]
    sentence_labels = [one.sentence_label.log_softmax(-1) for one in scores if one.sentence_label is not None]
    return Scores(
        _mean([one.emissions for one in scores]),
        TransitionScores(*(_mean(tensors) for tensors in zip(*chains, strict=True))) if chains else None,
        _mean(sentence_labels) if sentence_labels else None,
    )


def _mean(tensors: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(tensors)).mean(0)


def sequence_losses(scores: Scores, tags: Tensor, lengths: Tensor, sentence_label: Tensor | None) -> Tensor:
    """The loss of the tags and the sentence_label of each row together, in nats, (B,). An sentence_label of -1 is unknown and adds 0."""
    if scores.chain is not None:
        losses = log_partition(scores.emissions, scores.chain, lengths) - path_score(
            scores.emissions, tags, scores.chain, lengths
        )
    else:
        valid = torch.arange(tags.shape[1], device=tags.device) < lengths[:, None]
        targets = torch.where(valid, tags, -1)
        losses = F.cross_entropy(scores.emissions.transpose(1, 2), targets, reduction="none", ignore_index=-1).sum(1)
    if scores.sentence_label is not None and sentence_label is not None:
        losses = losses + F.cross_entropy(scores.sentence_label, sentence_label, reduction="none", ignore_index=-1)
    return losses


def best_tags(scores: Scores, lengths: Tensor | None = None) -> Tensor:
    """The tags of each row, (B, T): the best path, or the best tag of each token."""
    if scores.chain is not None:
        return best_path(scores.emissions, scores.chain, lengths)
    return scores.emissions.argmax(-1)


def max_batch_size(tags: int) -> int:
    """The rows of a batch in evaluation, where there are so many tags: the best path takes K^2 numbers for each row."""
    return max(1, min(256, 2**25 // tags**2))
