"""The batches of an epoch."""

from __future__ import annotations

import numpy as np
import pytest

from recurra.tasks.forecast import sampler
from recurra.tasks.forecast.sampler import ForecastSampler


def test_an_epoch_has_each_window_once_in_even_batches() -> None:
    made = ForecastSampler(np.arange(100, 125), 8, seed=3, steps_per_window=9)
    keys = made.epoch(0)
    assert [len(key) for key in keys] == [7, 6, 6, 6]
    assert sorted(np.concatenate(keys)) == list(range(100, 125))
    assert made.time_steps(keys).tolist() == [63, 54, 54, 54]
    assert made.padding_fraction() is None


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        keys = ForecastSampler(np.arange(30), 8, seed=seed, steps_per_window=1).epoch(epoch)
        return [int(origin) for origin in np.concatenate(keys)]

    assert order(0, 1) == order(0, 1) == np.random.default_rng([0, 1]).permutation(30).tolist()
    assert order(0, 1) != order(0, 2) and order(0, 1) != order(1, 1)


def test_a_long_epoch_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler, "MAX_WINDOWS", 20)
    made = ForecastSampler(np.arange(1000), 10, seed=0, steps_per_window=1)
    first, second = (set(np.concatenate(made.epoch(number)).tolist()) for number in range(2))
    assert len(first) == len(second) == 20 and first != second
