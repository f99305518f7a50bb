"""Teacher forcing with a schedule: the share of true tokens, and the tokens that are drawn instead."""

from __future__ import annotations

import math

import pytest
import torch
from tiny_seq2seq import STEPS, B, S, V

from recurra.models.scheduled_sampling import teacher_forcing_ratio, mixed


def test_the_share_of_true_tokens() -> None:
    assert teacher_forcing_ratio("constant", 0.3, 0.0) == 0.3
    assert [teacher_forcing_ratio("linear", 0.5, p) for p in (0, 0.5, 1)] == [1, 0.75, 0.5]
    assert teacher_forcing_ratio("sigmoid", 0.0, 0.5) == 0.5
    assert teacher_forcing_ratio("sigmoid", 0.0, 0.0) == pytest.approx(1, abs=0.01)
    assert all(teacher_forcing_ratio(schedule, 1.0, 0.7) == 1 for schedule in ("constant", "linear", "sigmoid"))


def test_mixed_tokens_are_true_or_drawn_at_their_step() -> None:
    tokens, live = torch.randint(3, V, (B, S)), torch.arange(S) < STEPS[:, None]
    sure = torch.full((B, S, V), -1e9)
    drawn = (tokens + 1) % V  # what the network is sure of, at every step
    scores = sure.scatter(2, drawn[..., None], 0.0)[live]
    assert torch.equal(mix_tokens(tokens, scores, live, 1.0), tokens)
    given = mix_tokens(tokens, scores, live, 0.0)
    assert torch.equal(given[:, 0], tokens[:, 0])
    wanted = torch.where(live[:, 1:], drawn[:, :-1], tokens[:, 1:])
    assert torch.equal(given[:, 1:], wanted)
    torch.manual_seed(0)
    many = mix_tokens(torch.full((1, 4000), 3), torch.eye(V)[4].mul(1e9).expand(4000, V), torch.ones(1, 4000).bool(), 0.7)
    kept = (many == 3).double().mean().item()
    assert abs(kept - 0.7) < 5 * math.sqrt(0.7 * 0.3 / 4000)
