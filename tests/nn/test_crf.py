"""The chain over tags: the forward algorithm and Viterbi's against all paths, one by one."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from recurra.nn.crf import TransitionScores, best_path, log_partition, path_score

SIZES = [(1, 1), (1, 4), (2, 3), (5, 3), (4, 1), (3, 5)]  # T, K


def call(
    T: int, K: int, *, B: int = 3, seed: int = 0, forbidden: bool = False
) -> tuple[Tensor, TransitionScores, Tensor]:
    """Emissions, a chain, and lengths from 1 to T."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return 2 * torch.randn(*shape, generator=draw, dtype=torch.float64)

    chain = TransitionScores(normal(K, K), normal(K), normal(K))
    if forbidden and K > 2:
        chain.between[1, 2] = chain.between[0, 1] = chain.start[2] = chain.end[1] = -torch.inf
    lengths = torch.randint(1, T + 1, (B,), generator=draw)
    lengths[0] = T
    return normal(B, T, K), chain, lengths


def score(emissions: Tensor, chain: TransitionScores, path: Sequence[int]) -> Tensor:
    """s(y) of one row, from the formula: emissions (T, K)."""
    total = chain.start[path[0]] + chain.end[path[-1]]
    for t, tag in enumerate(path):
        total = total + emissions[t, tag]
        if t:
            total = total + chain.between[path[t - 1], tag]
    return total


def every_path(emissions: Tensor, chain: TransitionScores) -> dict[tuple[int, ...], Tensor]:
    T, K = emissions.shape
    return {path: score(emissions, chain, path) for path in itertools.product(range(K), repeat=T)}


@pytest.mark.parametrize(("T", "K"), SIZES)
@pytest.mark.parametrize("forbidden", [False, True])
def test_the_partition_is_the_sum_over_all_paths(T: int, K: int, forbidden: bool) -> None:
    emissions, chain, lengths = call(T, K, forbidden=forbidden)
    found = log_partition(emissions, chain, lengths)
    for b, length in enumerate(lengths.tolist()):
        wanted = torch.logsumexp(torch.stack(list(every_path(emissions[b, :length], chain).values())), 0)
        torch.testing.assert_close(found[b], wanted, rtol=1e-12, atol=1e-12)  # a few dozen roundings of float64


@pytest.mark.parametrize(("T", "K"), SIZES)
@pytest.mark.parametrize("forbidden", [False, True])
def test_the_best_path_is_the_best_of_all(T: int, K: int, forbidden: bool) -> None:
    for seed in range(5):
        emissions, chain, lengths = call(T, K, seed=seed, forbidden=forbidden)
        found = best_path(emissions, chain, lengths)
        for b, length in enumerate(lengths.tolist()):
            scores = every_path(emissions[b, :length], chain)
            assert tuple(found[b, :length].tolist()) == max(scores, key=lambda path: scores[path].item())
            assert not found[b, length:].any()


@pytest.mark.parametrize(("T", "K"), SIZES)
def test_the_score_of_a_path_is_that_of_the_formula(T: int, K: int) -> None:
    emissions, chain, lengths = call(T, K)
    tags = torch.randint(0, K, (3, T), generator=torch.Generator().manual_seed(1))
    found = path_score(emissions, tags, chain, lengths)
    for b, length in enumerate(lengths.tolist()):
        wanted = score(emissions[b], chain, tags[b, :length].tolist())
        torch.testing.assert_close(found[b], wanted, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("forbidden", [False, True])
def test_gradients_are_those_of_the_sum_over_all_paths(forbidden: bool) -> None:
    """Of emissions and of every part of the chain: expected counts under the distribution over paths."""
    emissions, chain, lengths = call(4, 3, forbidden=forbidden)
    leaves = [emissions, *chain]
    for leaf in leaves:
        leaf.requires_grad_()
    ours = torch.autograd.grad(log_partition(emissions, chain, lengths).sum(), leaves)
    plain = torch.stack(
        [
            torch.logsumexp(torch.stack(list(every_path(emissions[b, :length], chain).values())), 0)
            for b, length in enumerate(lengths.tolist())
        ]
    )
    wanted = torch.autograd.grad(plain.sum(), leaves)
    for one, other in zip(ours, wanted, strict=True):
        assert torch.isfinite(one).all()
        torch.testing.assert_close(one, other.nan_to_num(0.0), rtol=1e-11, atol=1e-12)


def test_emissions_past_the_end_say_nothing() -> None:
    emissions, chain, lengths = call(6, 3)
    tags = torch.ones(3, 6, dtype=torch.long)
    changed = torch.where(torch.arange(6)[None, :, None] < lengths[:, None, None], emissions, 1e3)
    assert torch.equal(log_partition(emissions, chain, lengths), log_partition(changed, chain, lengths))
    assert torch.equal(path_score(emissions, tags, chain, lengths), path_score(changed, tags, chain, lengths))
    assert torch.equal(best_path(emissions, chain, lengths), best_path(changed, chain, lengths))


def test_no_lengths_are_all_steps() -> None:
    emissions, chain, _ = call(5, 3)
    whole, tags = torch.full((3,), 5), torch.zeros(3, 5, dtype=torch.long)
    assert torch.equal(log_partition(emissions, chain), log_partition(emissions, chain, whole))
    assert torch.equal(path_score(emissions, tags, chain), path_score(emissions, tags, chain, whole))
    assert torch.equal(best_path(emissions, chain), best_path(emissions, chain, whole))


def test_probabilities_of_all_paths_add_up_to_one_in_float32_too() -> None:
    emissions, chain, _ = call(4, 3)
    short = TransitionScores(*(part.float() for part in chain))
    paths = torch.tensor(list(itertools.product(range(3), repeat=4)))
    scores = path_score(emissions[:1].float().expand(len(paths), -1, -1), paths, short)
    total = (scores - log_partition(emissions[:1].float(), short)).exp().sum()
    assert total.item() == pytest.approx(1, abs=1e-12)  # of numbers given in float32, but reckoned in float64


def test_large_scores_do_not_overflow() -> None:
    emissions, chain, lengths = call(5, 3)
    found = log_partition(emissions + 1e4, chain, lengths)
    torch.testing.assert_close(found, log_partition(emissions, chain, lengths) + 1e4 * lengths, rtol=1e-12, atol=0)
