"""Teacher forcing with a schedule: how many of the tokens that a decoder is given are the true ones.

Scheduled sampling, Bengio et al. 2015, arXiv:1506.03099, in two passes instead of a loop over the steps, as Mihaylova and
Martins 2019, arXiv:1906.07651, and Duckworth et al. 2019, arXiv:1906.04331: the first pass, on true tokens and without
gradients, says what the network would have written at each step; the second is given some of these instead.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import Field as Setting
from torch import Tensor, nn

from ..settings import RARE, ClassTraining
from ..tasks.base import Batch
from .seq2seq import Answer
from .token_loss import loss_of


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


class ForcedTraining(ClassTraining):
    """The training run of a task whose decoder is taught so."""

    teacher_forcing: float = Setting(1.0, ge=0, le=1, description="share of true tokens given at the end")
    forcing_schedule: Literal["constant", "linear", "sigmoid"] = Setting(
        "linear", description="how that share falls from 1", json_schema_extra=RARE
    )
    metric: Literal["bleu", "chrf", "exact_match", "token_error_rate", "loss"] | None = Setting(
        None, description="the figure that picks the best weights", json_schema_extra=RARE
    )


def answered(network: nn.Module, batch: Batch, tokens: Tensor | None = None) -> Answer:
    """What the network says of a batch, given the true tokens before each step, or these, (B, S)."""
    x, lengths, true, steps = (batch.inputs.get(name) for name in ("x", "lengths", "tokens", "steps"))
    said: Answer = network(x, lengths, true if tokens is None else tokens, steps)
    return said


def forced_loss(network: nn.Module, batch: Batch, training: ForcedTraining, progress: float) -> Tensor:
    """Mean loss, nats a token, of the tokens `batch.targets["next"]` at `progress` (0 to 1) of the training."""
    share = forcing_share(training.forcing_schedule, training.teacher_forcing, progress)
    tokens: Tensor | None = None
    if share < 1:
        with torch.no_grad():
            guess = answered(network, batch)
        tokens = mixed(batch.inputs["tokens"], guess.scores, guess.live, share)
    return loss_of(answered(network, batch, tokens), batch, training.label_smoothing or 0.0)
