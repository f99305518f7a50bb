"""A linear-chain conditional random field over tags (Lafferty, McCallum and Pereira 2001).

A sequence of tags y_1 .. y_T has the score

    s(y) = start[y_1] + sum_t emissions[t, y_t] + sum_t between[y_t, y_t+1] + end[y_T]

and the probability exp(s(y)) / Z, where Z is the sum of exp(s) over all K^T sequences. `log_partition` computes log Z by the
forward algorithm and `best_path` the sequence with the highest score by the Viterbi algorithm; both take O(T K^2) time per
sequence. The arguments of all functions:

    emissions    (B, T, K): the score of each tag at each time step
    transitions  TransitionScores over K tags
    lengths      (B,): the number of valid time steps of each sequence, at least 1; None: all T steps are valid
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

TINY = 1e-300  # lower bound of the relative weight of a tag that no path reaches, so that logarithms are finite


class TransitionScores(NamedTuple):
    """The scores of pairs of tags, of the first tag and of the last tag; -inf forbids a transition.

    between  (K, K): between[i, j] is the score of tag j after tag i
    start    (K,): the score of a tag at the first time step
    end      (K,): the score of a tag at the last time step
    """

    between: Tensor
    start: Tensor
    end: Tensor


def log_partition(emissions: Tensor, transitions: TransitionScores, lengths: Tensor | None = None) -> Tensor:
    """log Z of each sequence, (B,), in float64 on devices that support it.

    A time step is one matrix product of weights, scaled by the weight of the most probable tag. Tags that are less probable
    by a factor of exp(-690) are lost, a range that only float64 provides.
    """
    emissions, (between, start, end) = _to_double(emissions), TransitionScores(*map(_to_double, transitions))
    tiny = TINY if emissions.dtype == torch.float64 else torch.finfo(emissions.dtype).tiny
    weights = between.exp()
    alpha = start + emissions[:, 0]  # (B, K): log of the sum over the paths that end in each tag
    for t in range(1, emissions.shape[1]):
        top = alpha.detach().amax(1, keepdim=True)
        new = ((alpha - top).exp() @ weights).clamp(min=tiny).log() + top + emissions[:, t]
        alpha = new if lengths is None else torch.where((t < lengths)[:, None], new, alpha)
    return torch.logsumexp(alpha + end, 1)


def path_score(emissions: Tensor, tags: Tensor, transitions: TransitionScores, lengths: Tensor | None = None) -> Tensor:
    """The score s(y) of the sequence `tags` (B, T), (B,). Values of `tags` beyond the length are ignored."""
    emissions, (between, start, end) = _to_double(emissions), TransitionScores(*map(_to_double, transitions))
    B, T, _ = emissions.shape
    if lengths is None:
        lengths = torch.full((B,), T, device=emissions.device)
    valid = torch.arange(T, device=emissions.device) < lengths[:, None]
    tags = torch.where(valid, tags, 0)
    emitted = emissions.gather(2, tags[..., None]).squeeze(2)
    steps = torch.where(valid[:, 1:], between[tags[:, :-1], tags[:, 1:]], 0.0)
    last_tags = tags.gather(1, (lengths - 1)[:, None]).squeeze(1)
    return torch.where(valid, emitted, 0.0).sum(1) + steps.sum(1) + start[tags[:, 0]] + end[last_tags]


def best_path(emissions: Tensor, transitions: TransitionScores, lengths: Tensor | None = None) -> Tensor:
    """The tags with the highest score, (B, T), 0 beyond the length. Ties are resolved in favour of lower tags."""
    between, start, end = transitions
    B, T, _ = emissions.shape
    if lengths is None:
        lengths = torch.full((B,), T, device=emissions.device)
    into = between.T.contiguous()  # (K, K): into[j, i] is the score of tag j after tag i
    scores = [start + emissions[:, 0]]  # (B, K) each: of the best path that ends in each tag
    for t in range(1, T):
        new = (scores[-1][:, None] + into).amax(2) + emissions[:, t]
        scores.append(torch.where((t < lengths)[:, None], new, scores[-1]))
    path = emissions.new_zeros(B, T, dtype=torch.long)
    tag = (scores[-1] + end).argmax(1)
    for t in range(T - 1, -1, -1):
        path[:, t] = torch.where(t < lengths, tag, 0)
        if t:  # predecessors are computed only for tags on the best path
            tag = torch.where(t < lengths, (scores[t - 1] + into[tag]).argmax(1), tag)
    return path


def _to_double(x: Tensor) -> Tensor:
    return x.float() if x.device.type == "mps" else x.double()  # MPS does not support float64
