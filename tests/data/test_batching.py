"""Length bucketing and windows over one sequence: each example once, little padding, determined by seed and epoch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.data.store.batching import LengthBatches
from recurra.data.store.window_lengths import EqualLengths, RandomLengths, RandomTruncation, WindowLengths
from recurra.data.store.windows import (
    AlignedWindows,
    MixtureWindows,
    RandomWindows,
    SequentialWindows,
    TokenWindow,
    gather,
)
from recurra.errors import CallError, DataError

LENGTHS = st.lists(st.integers(0, 300), max_size=300)


def _imdb_like(rows: int = 22_500) -> np.ndarray:
    """Log-normal lengths with the mean and the maximum of film reviews: about 270, at most 2,500."""
    lengths = np.random.default_rng(0).lognormal(5.4, 0.62, rows)
    return np.clip(lengths, 10, 2500).astype(np.int64)


@given(LENGTHS, st.integers(1, 40), st.integers(0, 5), st.one_of(st.none(), st.integers(1, 2000)))
@settings(deadline=None)
def test_each_example_occurs_once_per_epoch(lengths: list[int], size: int, epoch: int, most: int | None) -> None:
    batches = LengthBatches(np.array(lengths, np.int64), size, seed=3, max_tokens=most)
    for part in (batches.epoch(epoch), batches.in_order(), batches.in_order(7)):
        assert sorted(int(at) for rows in part for at in rows) == list(range(len(lengths)))
        assert all(len(rows) for rows in part)
        assert all(rows.dtype == np.int64 for rows in part)
    for rows in batches.epoch(epoch):
        assert len(rows) <= size
        longest = max(lengths[at] for at in rows)
        assert most is None or len(rows) == 1 or len(rows) * longest <= most


def test_an_epoch_depends_on_seed_and_number_alone() -> None:
    lengths = _imdb_like(3000)

    def epoch(k: int, seed: int = 0) -> list[list[int]]:
        return [rows.tolist() for rows in LengthBatches(lengths, 32, seed=seed).epoch(k)]

    batches = LengthBatches(lengths, 32, seed=0)
    batches.epoch(0)
    assert [rows.tolist() for rows in batches.epoch(1)] == epoch(1), "earlier calls have no effect"
    assert epoch(0) != epoch(1)
    assert epoch(0) != epoch(0, seed=1)


@pytest.mark.parametrize("rows", [2_000, 22_500])
def test_review_lengths_need_little_padding(rows: int) -> None:
    lengths = _imdb_like(rows)
    assert 255 < lengths.mean() < 285
    batches = LengthBatches(lengths, 32, seed=0)
    assert max(batches.padding_fraction(batches.epoch(k)) for k in range(3)) <= 0.10


def test_padding_fraction_by_hand() -> None:
    batches = LengthBatches(np.array([1, 3, 4, 4]), 2, seed=0)
    assert batches.padding_fraction([np.array([0, 1]), np.array([2, 3])]) == pytest.approx(2 / 14)
    assert batches.padding_fraction([]) == 0.0


def test_batches_differ_between_epochs() -> None:
    batches = LengthBatches(_imdb_like(), 32, seed=0)

    def pairs(k: int) -> set[tuple[int, int]]:
        return {(min(a, b), max(a, b)) for rows in batches.epoch(k) for a, b in pairwise(rows.tolist())}

    assert len(pairs(0) & pairs(1)) < 0.02 * len(pairs(0))


def test_the_order_of_batches_does_not_follow_the_length() -> None:
    batches = LengthBatches(_imdb_like(), 32, seed=0)
    longest = np.array([batches.lengths[rows].max() for rows in batches.epoch(0)])
    assert abs(np.corrcoef(longest[:-1], longest[1:])[0, 1]) < 0.15


def test_results_in_order_can_be_scattered_back() -> None:
    lengths = np.array([5, 1, 9, 1, 7])
    results = np.full(5, -1)
    for rows in LengthBatches(lengths, 2, seed=0).in_order():
        results[rows] = lengths[rows]
    np.testing.assert_array_equal(results, lengths)


def test_invalid_sizes() -> None:
    for size, most in ((0, None), (1, 0)):
        with pytest.raises(CallError, match="at least 1"):
            LengthBatches(np.array([1]), size, seed=0, max_tokens=most)


def starts_of(windows: Sequence[TokenWindow]) -> np.ndarray:
    return np.stack([window.starts for window in windows])


@given(st.integers(1, 9), st.integers(1, 30), st.integers(0, 500), st.integers(0, 4), st.integers(0, 70))
@settings(deadline=None)
def test_sequential_windows_continue_each_other(batch: int, length: int, extra: int, epoch: int, context: int) -> None:
    n = batch * length + 1 + extra
    windows = SequentialWindows(n, batch, EqualLengths(length, context), seed=5).epoch(epoch)
    assert windows
    seen: list[np.ndarray] = []
    for at, window in enumerate(windows):
        inputs, targets = gather(np.arange(n), window.begins, window.steps)
        assert inputs.shape == targets.shape == (batch, window.steps)
        assert inputs.dtype == targets.dtype == np.int64
        np.testing.assert_array_equal(targets, inputs + 1)
        assert (window.continues and window.length == length) or at == len(windows) - 1
        before = np.concatenate(seen, 1) if seen else inputs[:, :0]
        assert window.context == min(context, before.shape[1])
        np.testing.assert_array_equal(inputs[:, : window.context], before[:, before.shape[1] - window.context :])
        assert not at or windows[at - 1].next_context == window.context
        seen.append(inputs[:, window.context :])
    read = np.concatenate(seen, 1)
    np.testing.assert_array_equal(read, read[:, :1] + np.arange(read.shape[1]))
    assert len(np.unique(read)) == read.size, "no token is read twice"
    assert n - 1 - read.size < batch + length, "the last window of a row is kept, and few tokens are left out"
    assert epoch or read.min() == 0


def test_rows_restart_where_documents_begin() -> None:
    documents = np.array([0, 7, 8, 30, 31])
    for window in SequentialWindows(41, 2, EqualLengths(6, 3), documents=documents).epoch(0):
        restarts = np.zeros((2, window.steps), bool) if window.restarts is None else window.restarts
        positions = window.begins[:, None] + np.arange(window.steps)
        np.testing.assert_array_equal(restarts, np.isin(positions, documents))


def test_a_mixture_has_sequential_and_random_rows() -> None:
    windows = MixtureWindows(1000, 5, EqualLengths(10, 4), seed=2)
    sequential = SequentialWindows(1000, 3, EqualLengths(10, 4), seed=2)
    keys = windows.epoch(1)
    assert len(keys) == len(sequential.epoch(1))
    for window, expected in zip(keys, sequential.epoch(1), strict=True):
        np.testing.assert_array_equal(window.starts[:3], expected.starts)
        assert (window.steps, window.context, window.continues) == (expected.steps, expected.context, True)
        assert window.restarts is not None and window.restarts.sum(1).tolist() == [0, 0, 0, 1, 1]
        assert window.restarts[3:, 0].all()
        assert (window.begins >= 0).all() and (window.starts + window.length < 1000).all()
    assert (np.diff(keys[7].starts) != np.diff(keys[8].starts)).any()
    with pytest.raises(DataError, match="batching=mixture needs two rows in a batch, and batch_size is 1"):
        MixtureWindows(1000, 1, 10)


@pytest.mark.parametrize("lengths", [EqualLengths(7), RandomLengths(30), RandomTruncation(2, 12)])
def test_lengths_of_windows(lengths: WindowLengths) -> None:
    """They add up, have the mean that they name, and depend on the generator alone."""
    divided = lengths.divide(200_000, np.random.default_rng(0))
    assert sum(divided) == 200_000 and divided == lengths.divide(200_000, np.random.default_rng(0))
    error = np.std(divided) / len(divided) ** 0.5
    expected = 0.975 * 30 if isinstance(lengths, RandomLengths) else lengths.mean
    assert abs(np.mean(divided) - expected) < 4 * error + 0.05
    if isinstance(lengths, RandomTruncation):
        assert all(length % 2 == 0 for length in divided[:-1])
    assert lengths.divide(0, np.random.default_rng(0)) == []


@given(st.integers(1, 9), st.integers(1, 30), st.integers(0, 500), st.integers(0, 4))
@settings(deadline=None)
def test_random_windows_are_inside_the_sequence(batch: int, length: int, extra: int, epoch: int) -> None:
    n = length + 1 + extra
    windows = RandomWindows(n, batch, length, 1).epoch(epoch)
    assert len(windows) == max(1, (n - 1) // (batch * length))
    for window in windows:
        inputs, targets = gather(np.arange(n), window.begins, window.steps)
        assert inputs.shape == (batch, length)
        assert 0 <= inputs.min() <= targets.max() < n


@given(st.integers(1, 5), st.integers(1, 30), st.integers(0, 500), st.lists(st.integers(0, 600)), st.integers(0, 4))
@settings(deadline=None)
def test_aligned_windows_begin_at_boundaries_and_cover_the_text(
    batch: int, length: int, extra: int, positions: list[int], epoch: int
) -> None:
    n = batch * length + 1 + extra
    boundaries = np.unique(np.array([position for position in positions if position < n], np.int64))
    starts = np.sort(starts_of(AlignedWindows(n, batch, length, boundaries, seed=3).epoch(epoch)).ravel())
    assert starts.min() <= length and starts.max() + length <= n - 1
    covered = np.zeros(n - 1, bool)
    for start in starts:
        covered[start : start + length] = True
    assert covered[starts.min() :].all(), "the windows cover all tokens from the first window to the end"
    allowed = set(boundaries.tolist()) | {n - 1 - length} | set((starts + length).tolist()) | {starts.min()}
    assert set(starts.tolist()) <= allowed
    for boundary in boundaries[(boundaries > starts.min()) & (boundaries < starts.max())]:
        begins = starts[starts <= boundary].max()
        following = boundaries[boundaries > boundary]
        end = following[0] if len(following) else n - 1
        whole = begins + length >= end or end - boundary > length
        assert whole or boundary in starts, "a text that is not longer than a window is complete in one window"


def test_windows_differ_by_epoch_and_repeat() -> None:
    boundaries = np.arange(0, 10_000, 7)
    for windows in (
        SequentialWindows(10_000, 4, 50),
        MixtureWindows(10_000, 4, 50),
        RandomWindows(10_000, 4, 50, 0),
        AlignedWindows(10_000, 4, 50, boundaries),
    ):
        epochs = [starts_of(windows.epoch(k)[:5]).tolist() for k in (1, 2, 1)]
        assert epochs[0] == epochs[2] != epochs[1]


def test_random_windows_reach_both_ends() -> None:
    starts = starts_of([*RandomWindows(12, 40, 10, 0).epoch(0), *RandomWindows(12, 40, 10, 1).epoch(0)]).ravel()
    assert set(starts.tolist()) == {0, 1}


def test_too_little_text() -> None:
    with pytest.raises(
        DataError, match="200 tokens are too few for a batch of 4 windows of 50 tokens; use a longer text"
    ):
        SequentialWindows(200, 4, 50)
    SequentialWindows(201, 4, 50)
    with pytest.raises(DataError, match="too few"):
        RandomWindows(50, 4, 50, 0)
    with pytest.raises(DataError, match="at least 1"):
        RandomWindows(50, 4, 0, 0)
