"""Scheduled sampling: the fraction of true tokens, and the tokens that replace them."""

from __future__ import annotations

import math

import pytest
import torch
from tiny_seq2seq import STEPS, B, S, V

from recurra.models.scheduled_sampling import mix_tokens, teacher_forcing_ratio


def test_the_fraction_of_true_tokens() -> None:
    assert teacher_forcing_ratio("constant", 0.3, 0.0) == 0.3
    assert [teacher_forcing_ratio("linear", 0.5, p) for p in (0, 0.5, 1)] == [1, 0.75, 0.5]
    assert teacher_forcing_ratio("sigmoid", 0.0, 0.5) == 0.5
    assert teacher_forcing_ratio("sigmoid", 0.0, 0.0) == pytest.approx(1, abs=0.01)
    assert all(teacher_forcing_ratio(schedule, 1.0, 0.7) == 1 for schedule in ("constant", "linear", "sigmoid"))


def test_mixed_tokens_are_true_or_sampled_at_their_step() -> None:
    tokens, valid = torch.randint(3, V, (B, S)), torch.arange(S) < STEPS[:, None]
    impossible = torch.full((B, S, V), -1e9)
    sampled = (tokens + 1) % V  # the prediction of the network, with probability 1, at every step
    scores = impossible.scatter(2, sampled[..., None], 0.0)[valid]
    assert torch.equal(mix_tokens(tokens, scores, valid, 1.0), tokens)
    mixed = mix_tokens(tokens, scores, valid, 0.0)
    assert torch.equal(mixed[:, 0], tokens[:, 0])
    expected = torch.where(valid[:, 1:], sampled[:, :-1], tokens[:, 1:])
    assert torch.equal(mixed[:, 1:], expected)
    torch.manual_seed(0)
    many = mix_tokens(
        torch.full((1, 4000), 3), torch.eye(V)[4].mul(1e9).expand(4000, V), torch.ones(1, 4000).bool(), 0.7
    )
    fraction = (many == 3).double().mean().item()
    assert abs(fraction - 0.7) < 5 * math.sqrt(0.7 * 0.3 / 4000)
