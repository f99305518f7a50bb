"""The conditional random field: the forward and the Viterbi algorithm against an enumeration of all paths."""

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
    """Emissions, transition scores, and lengths from 1 to T."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return 2 * torch.randn(*shape, generator=draw, dtype=torch.float64)

    transitions = TransitionScores(normal(K, K), normal(K), normal(K))
    if forbidden and K > 2:
        transitions.between[1, 2] = transitions.between[0, 1] = transitions.start[2] = transitions.end[1] = -torch.inf
    lengths = torch.randint(1, T + 1, (B,), generator=draw)
    lengths[0] = T
    return normal(B, T, K), transitions, lengths


def score(emissions: Tensor, transitions: TransitionScores, path: Sequence[int]) -> Tensor:
    """s(y) of one sequence by the formula; emissions (T, K)."""
    total = transitions.start[path[0]] + transitions.end[path[-1]]
    for t, tag in enumerate(path):
        total = total + emissions[t, tag]
        if t:
            total = total + transitions.between[path[t - 1], tag]
    return total


def every_path(emissions: Tensor, transitions: TransitionScores) -> dict[tuple[int, ...], Tensor]:
    T, K = emissions.shape
    return {path: score(emissions, transitions, path) for path in itertools.product(range(K), repeat=T)}


@pytest.mark.parametrize(("T", "K"), SIZES)
@pytest.mark.parametrize("forbidden", [False, True])
def test_log_partition_equals_the_sum_over_all_paths(T: int, K: int, forbidden: bool) -> None:
    emissions, transitions, lengths = call(T, K, forbidden=forbidden)
    found = log_partition(emissions, transitions, lengths)
    for b, length in enumerate(lengths.tolist()):
        expected = torch.logsumexp(torch.stack(list(every_path(emissions[b, :length], transitions).values())), 0)
        torch.testing.assert_close(found[b], expected, rtol=1e-12, atol=1e-12)  # a few dozen roundings of float64


@pytest.mark.parametrize(("T", "K"), SIZES)
@pytest.mark.parametrize("forbidden", [False, True])
def test_best_path_equals_the_best_of_all_paths(T: int, K: int, forbidden: bool) -> None:
    for seed in range(5):
        emissions, transitions, lengths = call(T, K, seed=seed, forbidden=forbidden)
        found = best_path(emissions, transitions, lengths)
        for b, length in enumerate(lengths.tolist()):
            scores = every_path(emissions[b, :length], transitions)
            assert tuple(found[b, :length].tolist()) == max(scores, key=lambda path: scores[path].item())
            assert not found[b, length:].any()


@pytest.mark.parametrize(("T", "K"), SIZES)
def test_path_score_equals_the_formula(T: int, K: int) -> None:
    emissions, transitions, lengths = call(T, K)
    tags = torch.randint(0, K, (3, T), generator=torch.Generator().manual_seed(1))
    found = path_score(emissions, tags, transitions, lengths)
    for b, length in enumerate(lengths.tolist()):
        expected = score(emissions[b], transitions, tags[b, :length].tolist())
        torch.testing.assert_close(found[b], expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("forbidden", [False, True])
def test_gradients_equal_those_of_the_sum_over_all_paths(forbidden: bool) -> None:
    """The gradients of emissions and transitions are expected counts under the distribution over paths."""
    emissions, transitions, lengths = call(4, 3, forbidden=forbidden)
    leaves = [emissions, *transitions]
    for leaf in leaves:
        leaf.requires_grad_()
    ours = torch.autograd.grad(log_partition(emissions, transitions, lengths).sum(), leaves)
    plain = torch.stack(
        [
            torch.logsumexp(torch.stack(list(every_path(emissions[b, :length], transitions).values())), 0)
            for b, length in enumerate(lengths.tolist())
        ]
    )
    expected = torch.autograd.grad(plain.sum(), leaves)
    for one, other in zip(ours, expected, strict=True):
        assert torch.isfinite(one).all()
        torch.testing.assert_close(one, other.nan_to_num(0.0), rtol=1e-11, atol=1e-12)


def test_emissions_beyond_the_length_are_ignored() -> None:
    emissions, transitions, lengths = call(6, 3)
    tags = torch.ones(3, 6, dtype=torch.long)
    changed = torch.where(torch.arange(6)[None, :, None] < lengths[:, None, None], emissions, 1e3)
    assert torch.equal(log_partition(emissions, transitions, lengths), log_partition(changed, transitions, lengths))
    assert torch.equal(
        path_score(emissions, tags, transitions, lengths), path_score(changed, tags, transitions, lengths)
    )
    assert torch.equal(best_path(emissions, transitions, lengths), best_path(changed, transitions, lengths))


def test_without_lengths_all_steps_are_valid() -> None:
    emissions, transitions, _ = call(5, 3)
    whole, tags = torch.full((3,), 5), torch.zeros(3, 5, dtype=torch.long)
    assert torch.equal(log_partition(emissions, transitions), log_partition(emissions, transitions, whole))
    assert torch.equal(path_score(emissions, tags, transitions), path_score(emissions, tags, transitions, whole))
    assert torch.equal(best_path(emissions, transitions), best_path(emissions, transitions, whole))


def test_probabilities_of_all_paths_sum_to_one_for_float32_inputs() -> None:
    emissions, transitions, _ = call(4, 3)
    short = TransitionScores(*(part.float() for part in transitions))
    paths = torch.tensor(list(itertools.product(range(3), repeat=4)))
    scores = path_score(emissions[:1].float().expand(len(paths), -1, -1), paths, short)
    total = (scores - log_partition(emissions[:1].float(), short)).exp().sum()
    assert total.item() == pytest.approx(1, abs=1e-12)  # inputs in float32, computed in float64


def test_large_scores_do_not_overflow() -> None:
    emissions, transitions, lengths = call(5, 3)
    found = log_partition(emissions + 1e4, transitions, lengths)
    torch.testing.assert_close(
        found, log_partition(emissions, transitions, lengths) + 1e4 * lengths, rtol=1e-12, atol=0
    )
