"""Teacher forcing with a schedule: how many of the tokens that a decoder is given are the true ones.

Scheduled sampling, Bengio et al. 2015, arXiv:1506.03099, in two passes instead of a loop over the steps, as Mihaylova and
Martins 2019, arXiv:1906.07651, and Duckworth et al. 2019, arXiv:1906.04331: the first pass, on true tokens and without
gradients, says what the network would have written at each step; the second is given some of these instead.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from ..settings import ClassTraining, open_setting, setting
from .seq2seq import TokenScores, SequenceToSequence
from .token_loss import token_loss


def teacher_forcing_ratio(schedule: str, final: float, progress: float) -> float:
    """The share of true tokens at `progress` (0 to 1): `final` all the time, or falling from 1 to `final`."""
    if schedule == "constant":
        return final
    fallen = progress if schedule == "linear" else 1 / (1 + math.exp(10 * (0.5 - progress)))
    return 1 - (1 - final) * fallen


def mix_tokens(tokens: Tensor, scores: Tensor, live: Tensor, share: float) -> Tensor:
    """tokens (B, S), each kept with probability `share`, else one drawn by the scores of the step before.

    scores (M, V) of the live steps, in the order of `live (B, S)`. The first token of a row, the start mark, is kept.
    """
    drawn = torch.zeros_like(tokens)
    drawn[live] = torch.multinomial(scores.detach().float().softmax(-1), 1).squeeze(1).to(tokens.dtype)
    given = tokens.clone()
    swap = (torch.rand(tokens[:, 1:].shape, device=tokens.device) >= share) & live[:, 1:]
    given[:, 1:] = torch.where(swap, drawn[:, :-1], tokens[:, 1:])
    return given


class TeacherForcingTraining(ClassTraining):
    """The training run of a task whose decoder is taught so."""

    teacher_forcing_ratio: float = setting(1.0, ge=0, le=1, description="share of true tokens given at the end")
    scheduled_sampling: Literal["constant", "linear", "sigmoid"] = setting(
        "linear", description="how that share falls from 1", advanced=True
    )
    selection_metric: Literal["bleu", "chrf", "exact_match", "token_error_rate", "loss"] = open_setting(
        description="the figure that picks the best weights", advanced=True
    )


def score_batch(network: SequenceToSequence, inputs: Mapping[str, Tensor], tokens: Tensor | None = None) -> TokenScores:
    """The scores of a batch, given the true tokens before each step, or `tokens` (B, S) instead."""
    true = inputs["tokens"] if tokens is None else tokens
    answer: TokenScores = network(inputs["x"], inputs.get("lengths"), true, inputs["steps"])
    return answer


def teacher_forcing_loss(
    network: SequenceToSequence,
    inputs: Mapping[str, Tensor],
    targets: Tensor,
    training: TeacherForcingTraining,
    progress: float,
) -> Tensor:
    """The mean loss of the tokens `targets` (B, S), nats a token, at `progress` (0 to 1) of the training."""
    share = teacher_forcing_ratio(training.scheduled_sampling, training.teacher_forcing_ratio, progress)
    tokens: Tensor | None = None
    if share < 1:
        with torch.no_grad():
            guess = score_batch(network, inputs)
        tokens = mix_tokens(inputs["tokens"], guess.scores, guess.valid, share)
    return token_loss(score_batch(network, inputs, tokens), targets, training.label_smoothing)
