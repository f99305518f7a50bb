"""Pooling against plain formulas, a row at a time; dropout of sequences by its masks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recurra.nn.dropout import LockedDropout, TokenDropout
from recurra.nn.pooling import POOLINGS, AttentionPooling, Pooling

H = 3
LENGTHS = torch.tensor([7, 1, 0, 4])


def plain(pooling: Pooling, name: str, row: Tensor) -> Tensor:
    """The pooled vector of one row (T, D*H), by the textbook."""
    if not len(row):
        return torch.zeros(pooling.output_size, dtype=row.dtype)
    if name == "last":
        return torch.cat([row[-1, :H], row[0, H:]])
    if name == "mean":
        return row.sum(0) / len(row)
    if name == "max":
        return torch.stack([max(column) for column in row.T])  # type: ignore[type-var]
    if name == "mean_max":
        return torch.cat([plain(pooling, "mean", row), plain(pooling, "max", row)])
    assert isinstance(pooling, AttentionPooling)
    score = torch.stack([pooling.query(torch.tanh(pooling.key(y))) for y in row])
    weight = score.exp() / score.exp().sum()
    return (weight * row).sum(0)


def outputs(directions: int, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    y = torch.randn(len(LENGTHS), int(LENGTHS.max()), directions * H, dtype=torch.float64)
    live = torch.arange(y.shape[1])[None] < LENGTHS[:, None]
    return torch.where(live[..., None], y, 0.0).requires_grad_()


every = pytest.mark.parametrize("name", POOLINGS)


@every
@pytest.mark.parametrize("directions", [1, 2])
def test_it_is_the_formula_and_its_gradient(name: str, directions: int) -> None:
    torch.manual_seed(1)
    pooling = POOLINGS[name](H, directions).double()
    y, other = outputs(directions), outputs(directions)
    ours = pooling(y, LENGTHS)
    rows = [plain(pooling, name, other[b, :n]) for b, n in enumerate(LENGTHS)]
    assert ours.shape == (len(LENGTHS), pooling.output_size)
    torch.testing.assert_close(ours, torch.stack(rows))
    weight = torch.randn_like(ours)
    parameters = list(pooling.parameters())
    got = torch.autograd.grad((ours * weight).sum(), [y, *parameters])
    expected = torch.autograd.grad((torch.stack(rows) * weight).sum(), [other, *parameters])
    for one, two in zip(got, expected, strict=True):
        torch.testing.assert_close(one, two)
    assert (got[0][2] == 0).all() and (got[0][1, 1:] == 0).all()  # no gradient to what is not there


@every
def test_without_lengths_every_step_lives(name: str) -> None:
    pooling = POOLINGS[name](H).double()
    y = outputs(1).detach()[:1]
    torch.testing.assert_close(pooling(y), pooling(y, torch.tensor([7])))


@every
@pytest.mark.parametrize("cut", [[7], [1, 6], [3, 0, 4], [1] * 7])
def test_the_fold_is_the_whole(name: str, cut: list[int]) -> None:
    """In pieces, with rows that end or are empty in some of them."""
    torch.manual_seed(2)
    pooling = POOLINGS[name](H).double()
    y = outputs(1)
    state, at = None, 0
    for length in cut:
        state = pooling.push(y[:, at : at + length], (LENGTHS - at).clamp(0, length), state)
        at += length
    assert state is not None
    torch.testing.assert_close(pooling.result(state), pooling(y, LENGTHS))
    (gradient,) = torch.autograd.grad(pooling.result(state).square().sum(), y)
    (whole,) = torch.autograd.grad(pooling(y, LENGTHS).square().sum(), y)
    torch.testing.assert_close(gradient, whole)


@every
def test_large_values_do_not_overflow(name: str) -> None:
    pooling = POOLINGS[name](H)
    if isinstance(pooling, AttentionPooling):
        with torch.no_grad():
            pooling.query.weight.fill_(500.0)
    y = torch.randn(2, 5, H) * 50
    state = pooling.push(y[:, :3], None, None)
    assert pooling.result(pooling.push(y[:, 3:], None, state)).isfinite().all()
    assert pooling(y).isfinite().all()


def test_locked_dropout_is_one_mask_for_all_steps() -> None:
    torch.manual_seed(0)
    dropout = LockedDropout(0.3)
    x = torch.randn(200, 6, 50)
    y = dropout(x)
    mask = y != 0
    assert (mask == mask[:, :1]).all() and (mask[0, 0] != mask[1, 0]).any()  # the same over time, another for each row
    torch.testing.assert_close(y, torch.where(mask, x / 0.7, 0.0))
    share, n = mask[:, 0].float().mean().item(), 200 * 50
    assert abs(share - 0.7) < 5 * (0.3 * 0.7 / n) ** 0.5  # five standard deviations
    assert dropout.eval()(x) is x and LockedDropout(0.0)(x) is x


def test_token_dropout_never_touches_padding() -> None:
    torch.manual_seed(0)
    ids = torch.randint(2, 9, (100, 40))
    ids[:, 30:] = 0
    dropped = TokenDropout(0.4, pad=0, unknown=1)(ids)
    assert (dropped[:, 30:] == 0).all()
    changed = dropped[:, :30] != ids[:, :30]
    assert (dropped[:, :30][changed] == 1).all()
    assert abs(changed.float().mean().item() - 0.4) < 5 * (0.4 * 0.6 / 3000) ** 0.5
    assert TokenDropout(0.4, pad=0, unknown=1).eval()(ids) is ids
