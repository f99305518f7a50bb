"""Teacher forcing with a schedule: how many of the tokens that a decoder is given are the true ones.

Scheduled sampling, Bengio et al. 2015, arXiv:1506.03099, in two passes instead of a loop over the steps, as Mihaylova and
Martins 2019, arXiv:1906.07651, and Duckworth et al. 2019, arXiv:1906.04331: the first pass, on true tokens and without
gradients, says what the network would have written at each step; the second is given some of these instead.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

SCHEDULES = ("constant", "linear", "sigmoid")


def forcing_share(schedule: str, final: float, progress: float) -> float:
    """The share of true tokens at `progress` (0 to 1): `final` all the time, or falling from 1 to `final`."""
    if schedule == "constant":
        return final
    fallen = progress if schedule == "linear" else 1 / (1 + math.exp(10 * (0.5 - progress)))
    return 1 - (1 - final) * fallen


def mixed(tokens: Tensor, scores: Tensor, live: Tensor, share: float) -> Tensor:
    """tokens (B, S), each kept with probability `share`, else one drawn by the scores of the step before.

    scores (M, V) of the live steps, in the order of `live (B, S)`. The first token of a row, the start mark, is kept.
    """
    drawn = torch.zeros_like(tokens)
    drawn[live] = torch.multinomial(scores.detach().float().softmax(-1), 1).squeeze(1).to(tokens.dtype)
    given = tokens.clone()
    swap = (torch.rand(tokens[:, 1:].shape, device=tokens.device) >= share) & live[:, 1:]
    given[:, 1:] = torch.where(swap, drawn[:, :-1], tokens[:, 1:])
    return given
