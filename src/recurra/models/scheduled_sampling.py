"""Teacher forcing and scheduled sampling: the decoder reads true tokens, or tokens that the network itself predicts.

Scheduled sampling (Bengio et al. 2015, arXiv:1506.03099) runs here in two passes instead of a loop over the steps, as in
Mihaylova and Martins 2019, arXiv:1906.07651, and Duckworth et al. 2019, arXiv:1906.04331. The first pass reads the true tokens,
without gradients, and predicts a token at each step. In the second pass some of the true tokens are replaced by predicted ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from ..settings import ClassTraining, open_setting, setting
from .seq2seq import SequenceToSequence, TokenScores
from .token_loss import token_loss


def teacher_forcing_ratio(schedule: str, final: float, progress: float) -> float:
    """The fraction of true tokens at `progress` (0 to 1) of the training.

    It is `final` throughout with the schedule "constant", and decreases from 1 to `final` with "linear" and "sigmoid".
    """
    if schedule == "constant":
        return final
    decrease = progress if schedule == "linear" else 1 / (1 + math.exp(10 * (0.5 - progress)))
    return 1 - (1 - final) * decrease


def mix_tokens(tokens: Tensor, scores: Tensor, valid: Tensor, ratio: float) -> Tensor:
    """Input tokens of which a fraction `ratio` are true, and the others are sampled from predictions.

    tokens  (B, S): the true tokens before each step. The first one of each sequence, the start token, is never replaced
    scores  (M, V): the scores of the valid steps, in the order of `valid`. A token is sampled from those of the step before it
    valid   (B, S): the mask, False at padding
    """
    sampled = torch.zeros_like(tokens)
    sampled[valid] = torch.multinomial(scores.detach().float().softmax(-1), 1).squeeze(1).to(tokens.dtype)
    mixed = tokens.clone()
    replace = (torch.rand(tokens[:, 1:].shape, device=tokens.device) >= ratio) & valid[:, 1:]
    mixed[:, 1:] = torch.where(replace, sampled[:, :-1], tokens[:, 1:])
    return mixed


class TeacherForcingTraining(ClassTraining):
    """Training settings of a task whose decoder is trained with teacher forcing."""

    teacher_forcing_ratio: float = setting(
        1.0, ge=0, le=1, description="Fraction of true decoder inputs at the end of training."
    )
    scheduled_sampling: Literal["constant", "linear", "sigmoid"] = setting(
        "linear", description="How the teacher forcing ratio decreases from 1 to its final value.", advanced=True
    )
    selection_metric: Literal["bleu", "chrf", "exact_match", "token_error_rate", "loss"] = open_setting(
        description="Metric used to select the best checkpoint.", advanced=True
    )


def score_batch(network: SequenceToSequence, inputs: Mapping[str, Tensor], tokens: Tensor | None = None) -> TokenScores:
    """The scores of a batch with the true tokens as decoder inputs, or with `tokens` (B, S) instead."""
    decoder_inputs = inputs["tokens"] if tokens is None else tokens
    scores: TokenScores = network(inputs["x"], inputs.get("lengths"), decoder_inputs, inputs["steps"])
    return scores


def teacher_forcing_loss(
    network: SequenceToSequence,
    inputs: Mapping[str, Tensor],
    targets: Tensor,
    training: TeacherForcingTraining,
    progress: float,
) -> Tensor:
    """The mean cross-entropy of the tokens `targets` (B, S), in nats per token, at `progress` (0 to 1) of the training."""
    ratio = teacher_forcing_ratio(training.scheduled_sampling, training.teacher_forcing_ratio, progress)
    tokens: Tensor | None = None
    if ratio < 1:
        with torch.no_grad():
            predicted = score_batch(network, inputs)
        tokens = mix_tokens(inputs["tokens"], predicted.scores, predicted.valid, ratio)
    return token_loss(score_batch(network, inputs, tokens), targets, training.label_smoothing)
