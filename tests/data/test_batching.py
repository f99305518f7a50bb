"""Length bucketing and windows over one sequence: each example once, little padding, determined by seed and epoch."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.data.store.batching import LengthBatches
from recurra.data.store.windows import AlignedWindows, RandomWindows, SequentialWindows, gather
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


@given(st.integers(1, 9), st.integers(1, 30), st.integers(0, 500), st.integers(0, 4))
@settings(deadline=None)
def test_sequential_windows_continue_each_other(batch: int, length: int, extra: int, epoch: int) -> None:
    n = batch * length + 1 + extra
    flat = np.arange(n)
    windows = SequentialWindows(n, batch, length, seed=5).epoch(epoch)
    assert windows
    seen: list[np.ndarray] = []
    for starts in windows:
        inputs, targets = gather(flat, starts, length)
        assert inputs.shape == targets.shape == (batch, length)
        assert inputs.dtype == targets.dtype == np.int64
        np.testing.assert_array_equal(targets, inputs + 1)
        if seen:
            np.testing.assert_array_equal(inputs[:, 0], seen[-1][:, -1] + 1)
        seen.append(inputs)
    read = np.concatenate([inputs.ravel() for inputs in seen])
    assert len(np.unique(read)) == len(read), "no token is read twice"
    assert n - 1 - len(read) < batch * length + batch + length, "few tokens are left out"
    assert epoch or read.min() == 0


@given(st.integers(1, 9), st.integers(1, 30), st.integers(0, 500), st.integers(0, 4))
@settings(deadline=None)
def test_random_windows_are_inside_the_sequence(batch: int, length: int, extra: int, epoch: int) -> None:
    n = length + 1 + extra
    windows = RandomWindows(n, batch, length, 1).epoch(epoch)
    assert len(windows) == max(1, (n - 1) // (batch * length))
    for starts in windows:
        inputs, targets = gather(np.arange(n), starts, length)
        assert inputs.shape == (batch, length)
        assert 0 <= inputs.min() <= targets.max() < n


@given(st.integers(1, 5), st.integers(1, 30), st.integers(0, 500), st.lists(st.integers(0, 600)), st.integers(0, 4))
@settings(deadline=None)
def test_aligned_windows_begin_at_boundaries_and_cover_the_text(
    batch: int, length: int, extra: int, positions: list[int], epoch: int
) -> None:
    n = batch * length + 1 + extra
    boundaries = np.unique(np.array([position for position in positions if position < n], np.int64))
    starts = np.sort(np.concatenate(AlignedWindows(n, batch, length, boundaries, seed=3).epoch(epoch)))
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
        RandomWindows(10_000, 4, 50, 0),
        AlignedWindows(10_000, 4, 50, boundaries),
    ):
        epochs = [np.stack(windows.epoch(k)[:5]).tolist() for k in (1, 2, 1)]
        assert epochs[0] == epochs[2] != epochs[1]


def test_random_windows_reach_both_ends() -> None:
    starts = np.concatenate(RandomWindows(12, 4, 10, 0).epoch(0) + RandomWindows(12, 40, 10, 1).epoch(0))
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
