"""A linear-chain conditional random field over tags: Lafferty, McCallum and Pereira 2001.

A path y_1 .. y_T of a row has the score

    s(y) = first[y_1] + sum_t emissions[t, y_t] + sum_t between[y_t, y_t+1] + last[y_T]

and the probability exp(s(y)) / Z, Z the sum of exp(s) over all K^T paths. `log_partition` is log Z by the forward
algorithm, `best_path` the path of the highest score by Viterbi's. Both take O(T K^2) steps a row.

    emissions (B, T, K)    lengths (B,), at least 1, or None: all T steps    tags, paths (B, T)
    chain     Chain: between (K, K) from the row to the column, first (K,), last (K,); -inf is a step that cannot be
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

TINY = 1e-300  # of the likeliest state's weight: what a state that no path reaches counts as, so that logs are finite


class Chain(NamedTuple):
    """What a tag says about the next one, about the row's start and about its end."""

    between: Tensor
    first: Tensor
    last: Tensor


def log_partition(emissions: Tensor, chain: Chain, lengths: Tensor | None = None) -> Tensor:
    """log Z of each row, (B,) in float64, where there is such a type.

    Each step is one matrix product of weights, scaled by the likeliest state's: states less likely than exp(-690) of
    it are lost, which only float64 has room for.
    """
    emissions, (between, first, last) = _wide(emissions), Chain(*map(_wide, chain))
    tiny = TINY if emissions.dtype == torch.float64 else torch.finfo(emissions.dtype).tiny
    weights = between.exp()
    alpha = first + emissions[:, 0]  # (B, K): log of the sum over the paths that end here
    for t in range(1, emissions.shape[1]):
        top = alpha.detach().amax(1, keepdim=True)
        reached = ((alpha - top).exp() @ weights).clamp(min=tiny).log() + top + emissions[:, t]
        alpha = reached if lengths is None else torch.where((t < lengths)[:, None], reached, alpha)
    return torch.logsumexp(alpha + last, 1)


def path_score(emissions: Tensor, tags: Tensor, chain: Chain, lengths: Tensor | None = None) -> Tensor:
    """s(y) of each row's path `tags` (B, T), (B,); what stands past a row's length is not looked at."""
    emissions, (between, first, last) = _wide(emissions), Chain(*map(_wide, chain))
    B, T, _ = emissions.shape
    if lengths is None:
        lengths = torch.full((B,), T, device=emissions.device)
    live = torch.arange(T, device=emissions.device) < lengths[:, None]
    tags = torch.where(live, tags, 0)
    own = emissions.gather(2, tags[..., None]).squeeze(2)
    steps = torch.where(live[:, 1:], between[tags[:, :-1], tags[:, 1:]], 0.0)
    ends = tags.gather(1, (lengths - 1)[:, None]).squeeze(1)
    return torch.where(live, own, 0.0).sum(1) + steps.sum(1) + first[tags[:, 0]] + last[ends]


def best_path(emissions: Tensor, chain: Chain, lengths: Tensor | None = None) -> Tensor:
    """The path of the highest score, (B, T); 0 past each row's length. Of equal paths, one with the lower tags."""
    between, first, last = chain
    B, T, _ = emissions.shape
    if lengths is None:
        lengths = torch.full((B,), T, device=emissions.device)
    into = between.T.contiguous()  # (K, K): from the column to the row
    scores = [first + emissions[:, 0]]  # (B, K) each: of the best path to every tag
    for t in range(1, T):
        reached = (scores[-1][:, None] + into).amax(2) + emissions[:, t]
        scores.append(torch.where((t < lengths)[:, None], reached, scores[-1]))
    path = emissions.new_zeros(B, T, dtype=torch.long)
    tag = (scores[-1] + last).argmax(1)
    for t in range(T - 1, -1, -1):
        path[:, t] = torch.where(t < lengths, tag, 0)
        if t:  # only the tag that was taken is asked where it came from
            tag = torch.where(t < lengths, (scores[t - 1] + into[tag]).argmax(1), tag)
    return path


def _wide(x: Tensor) -> Tensor:
    return x.float() if x.device.type == "mps" else x.double()  # there is no float64 on Apple's GPUs
