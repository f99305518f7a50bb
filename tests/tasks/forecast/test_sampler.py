"""The batches of an epoch."""

from __future__ import annotations

import numpy as np
import pytest

from recurra.tasks.forecast import sampler
from recurra.tasks.forecast.sampler import ForecastSampler


def test_an_epoch_contains_each_window_once_in_batches_of_nearly_equal_size() -> None:
    instance = ForecastSampler(np.arange(100, 125), 8, seed=3, steps_per_window=9)
    keys = instance.epoch(0)
    assert [len(key) for key in keys] == [7, 6, 6, 6]
    assert sorted(np.concatenate(keys)) == list(range(100, 125))
    assert instance.time_steps(keys).tolist() == [63, 54, 54, 54]
    assert instance.padding_fraction() is None


def test_the_order_depends_only_on_seed_and_epoch() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        keys = ForecastSampler(np.arange(30), 8, seed=seed, steps_per_window=1).epoch(epoch)
        return [int(origin) for origin in np.concatenate(keys)]

    assert order(0, 1) == order(0, 1) == np.random.default_rng([0, 1]).permutation(30).tolist()
    assert order(0, 1) != order(0, 2) and order(0, 1) != order(1, 1)


def test_the_number_of_windows_per_epoch_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler, "MAX_WINDOWS", 20)
    instance = ForecastSampler(np.arange(1000), 10, seed=0, steps_per_window=1)
    first, second = (set(np.concatenate(instance.epoch(number)).tolist()) for number in range(2))
    assert len(first) == len(second) == 20 and first != second
