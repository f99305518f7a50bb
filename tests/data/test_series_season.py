"""Detection of the seasonality: waves of many periods and lengths are found, and none in noise."""

from __future__ import annotations

import numpy as np
import pytest

from recurra.data.series.grid import TimeGrid
from recurra.data.series.seasonality import detect_seasonality
from recurra.data.series.times import HOUR

STEP = TimeGrid("step", 1)


def noise(steps: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=steps)


@pytest.mark.parametrize("period", [7, 25, 132])
def test_the_period_of_a_wave_is_detected(period: int) -> None:
    steps = np.arange(period * 12)
    values = np.sin(2 * np.pi * steps / period) + 0.5 * np.cos(4 * np.pi * steps / period) + 0.3 * noise(len(steps))
    values = values + 0.01 * steps
    values[::11] = np.nan
    assert abs(detect_seasonality([values], STEP)[0] - period) <= period // 50


def test_noise_and_short_series_have_no_seasonality() -> None:
    assert detect_seasonality([noise(3000)], STEP) == (1, 0.0)
    assert detect_seasonality([], STEP) == (1, 0.0)
    assert detect_seasonality([np.array([1.0, 2.0, 1.0])], STEP) == (1, 0.0)


def test_the_stronger_of_two_periods_is_detected() -> None:
    hours = np.arange(24 * 7 * 8)
    working = (hours // 24 % 7 < 5).astype(float)
    day = np.sin(2 * np.pi * hours / 24)
    grid = TimeGrid("time", HOUR)
    assert detect_seasonality([day + 0.1 * working], grid)[0] == 24
    assert detect_seasonality([day * working + 2 * working], grid)[0] == 168
