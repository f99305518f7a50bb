"""The scores of tags and sentence labels: their mean over an ensemble, the loss, and the best tags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ...nn.crf import TransitionScores, best_path, log_partition, path_score


class Scores(NamedTuple):
    """The output of a tagger.

    emissions       (B, T, K): the score of each tag of each token
    transitions     the scores of transitions, if the tags are predicted by a conditional random field
    sentence_label  (B, C): the score of each sentence label, if there are sentence labels
    """

    emissions: Tensor
    transitions: TransitionScores | None
    sentence_label: Tensor | None


def mean_scores(scores: Sequence[Scores]) -> Scores:
    """The mean of the scores of an ensemble.

    Its probabilities are the normalized geometric mean of those of the members (a product of experts: Hinton 2002).
    """
    transitions = [member.transitions for member in scores if member.transitions is not None]
    labels = [member.sentence_label.log_softmax(-1) for member in scores if member.sentence_label is not None]
    return Scores(
        _mean([member.emissions for member in scores]),
        TransitionScores(*(_mean(tensors) for tensors in zip(*transitions, strict=True))) if transitions else None,
        _mean(labels) if labels else None,
    )


def _mean(tensors: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(tensors)).mean(0)


def sequence_losses(scores: Scores, tags: Tensor, lengths: Tensor, sentence_label: Tensor | None) -> Tensor:
    """The negative log-likelihood of the tags and the sentence label of each sequence, in nats, (B,).

    tags            (B, T): the ids of the tags
    lengths         (B,): the number of tokens
    sentence_label  (B,): the ids of the sentence labels, -1 for an unknown label, which adds 0; None: no labels
    """
    if scores.transitions is not None:
        losses = log_partition(scores.emissions, scores.transitions, lengths) - path_score(
            scores.emissions, tags, scores.transitions, lengths
        )
    else:
        valid = torch.arange(tags.shape[1], device=tags.device) < lengths[:, None]
        targets = torch.where(valid, tags, -1)
        losses = F.cross_entropy(scores.emissions.transpose(1, 2), targets, reduction="none", ignore_index=-1).sum(1)
    if scores.sentence_label is not None and sentence_label is not None:
        losses = losses + F.cross_entropy(scores.sentence_label, sentence_label, reduction="none", ignore_index=-1)
    return losses


def best_tags(scores: Scores, lengths: Tensor | None = None) -> Tensor:
    """The predicted tags, (B, T): the best path with transitions, otherwise the best tag of each token."""
    if scores.transitions is not None:
        return best_path(scores.emissions, scores.transitions, lengths)
    return scores.emissions.argmax(-1)


def max_batch_size(tags: int) -> int:
    """The maximum batch size in evaluation for a number of tags: the best path takes K^2 numbers per sequence."""
    return max(1, min(256, 2**25 // tags**2))
