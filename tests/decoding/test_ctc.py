"""CTC: greedy and prefix beam search compared with all paths of tiny cases, and chunking invariance."""

from __future__ import annotations

import copy
import itertools
import math

import numpy as np
import pytest

from recurra.decoding.ctc import CtcHypothesis, GreedySearch, PrefixBeamSearch, ctc_search, log_add_exp, min_steps


def steps_of(seed: int, T: int, V: int) -> np.ndarray:
    """Log-probabilities (T, V) with large differences."""
    x = np.random.default_rng(seed).normal(size=(T, V)) * 2
    return x - np.log(np.exp(x).sum(1, keepdims=True))


def by_all_paths(steps: np.ndarray) -> dict[tuple[int, ...], float]:
    """The log-probability of every text by the definition, as the sum over its paths."""
    found: dict[tuple[int, ...], float] = {}
    T, V = steps.shape
    for path in itertools.product(range(V), repeat=T):
        text = tuple(unit for unit, _ in itertools.groupby(path) if unit != 0)
        found[text] = np.logaddexp(found.get(text, -np.inf), sum(steps[t, unit] for t, unit in enumerate(path)))
    return found


@pytest.mark.parametrize(("T", "V"), [(1, 2), (1, 4), (3, 2), (4, 3), (6, 3), (5, 4)])
@pytest.mark.parametrize("seed", range(5))
def test_a_wide_beam_finds_the_most_probable_text(T: int, V: int, seed: int) -> None:
    steps = steps_of(seed, T, V)
    every = by_all_paths(steps)
    most_probable = max(every, key=every.__getitem__)
    beam = PrefixBeamSearch(len(every))
    beam.push(steps)
    assert tuple(beam.best().units) == most_probable
    assert beam.best().score == pytest.approx(every[most_probable], abs=1e-9)


def test_the_score_of_each_text_is_the_sum_over_its_paths() -> None:
    steps = steps_of(7, 5, 3)
    every, beam = by_all_paths(steps), PrefixBeamSearch(1000)
    beam.push(steps)
    assert len(beam.beams) == len(every)
    for node, scores in beam.beams.items():
        text: list[int] = []
        while node:
            text.insert(0, beam.units[node])
            node = beam.parents[node]
        assert np.logaddexp(*scores) == pytest.approx(every[tuple(text)], abs=1e-9)


def test_the_score_of_a_narrow_beam_is_a_lower_bound() -> None:
    for seed in range(20):
        steps = steps_of(seed, 6, 3)
        every, beam = by_all_paths(steps), PrefixBeamSearch(2)
        beam.push(steps)
        assert beam.best().score <= every[tuple(beam.best().units)] + 1e-9


def test_greedy_merges_repeats_and_drops_blanks() -> None:
    path = [1, 1, 0, 1, 2, 2, 2, 0, 0, 3, 1]
    steps = np.full((len(path), 4), math.log(0.1))
    steps[range(len(path)), path] = math.log(0.7)
    greedy = GreedySearch()
    greedy.push(steps)
    assert greedy.best().units == [1, 1, 2, 3, 1]
    assert greedy.best().score == pytest.approx(len(path) * math.log(0.7))


def test_the_beam_sums_the_paths_of_a_text() -> None:
    """Two blanks are the most probable path, 0.36, but the text 'a' has three paths with the sum 0.64."""
    steps = np.log([[0.6, 0.4], [0.6, 0.4]])
    greedy, beam = ctc_search(1), ctc_search(2)
    greedy.push(steps)
    beam.push(steps)
    assert greedy.best() == CtcHypothesis([], pytest.approx(math.log(0.36)))
    assert beam.best() == CtcHypothesis([1], pytest.approx(math.log(0.64)))


@pytest.mark.parametrize("beam_size", [1, 2, 8])
@pytest.mark.parametrize("seed", range(3))
def test_results_do_not_depend_on_chunking(beam_size: int, seed: int) -> None:
    steps = steps_of(seed, 40, 5)
    whole, pieces = ctc_search(beam_size), ctc_search(beam_size)
    whole.push(steps)
    draw = np.random.default_rng(seed)
    at = 0
    while at < len(steps):
        n = int(draw.integers(0, 5))
        pieces.push(steps[at : at + n])
        at += n
    assert pieces.best().units == whole.best().units
    assert pieces.best().score == pytest.approx(whole.best().score, abs=1e-12)


@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_copy_is_independent(beam_size: int) -> None:
    steps = steps_of(3, 12, 4)
    one, alone = ctc_search(beam_size), ctc_search(beam_size)
    one.push(steps[:6])
    other = copy.copy(one)
    other.push(steps_of(4, 6, 4))
    one.push(steps[6:])
    alone.push(steps)
    assert one.best().units == alone.best().units
    assert one.best().score == pytest.approx(alone.best().score, abs=1e-12)


def test_impossible_units_are_never_decoded() -> None:
    steps = steps_of(5, 30, 5)
    steps[:, 2] = -np.inf
    for beam_size in (1, 4):
        found = ctc_search(beam_size)
        found.push(steps)
        assert found.best().units and 2 not in found.best().units
        assert math.isfinite(found.best().score)


def test_minimal_steps_of_a_text() -> None:
    assert [min_steps(text) for text in ("", "a", "ab", "aa", "aab", "aaab")] == [0, 1, 2, 3, 4, 6]


@pytest.mark.parametrize(("a", "b"), [(-1.0, -2.5), (-700.0, -1.0), (0.0, 0.0)])
def test_log_add_exp(a: float, b: float) -> None:
    assert log_add_exp(a, b) == log_add_exp(b, a) == pytest.approx(np.logaddexp(a, b), abs=1e-15)
    assert log_add_exp(a, -math.inf) == a and log_add_exp(-math.inf, -math.inf) == -math.inf
