"""The clock of a run: speeds from what was seen, and the steps that the rest of the budget pays for. No time passes here."""

from __future__ import annotations

import pytest

from recurra.training import clock as module
from recurra.training.clock import RESERVE, TrainingClock

BUDGET = 120 * (1 - RESERVE)  # seconds


class Now:
    """A time that stands still until it is set."""

    def __init__(self) -> None:
        self.at = 1000.0

    def time(self) -> float:
        return self.at


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Now:
    now = Now()
    monkeypatch.setattr(module, "time", now)
    return now


def clock_of(max_minutes: float | None = 2.0, *, valid_work: float = 30.0, calibration: float = 0.0) -> TrainingClock:
    """Steps of 10 units of work, of which two have taken 2 seconds; an evaluation by its forward passes takes 1 second."""
    clock = TrainingClock(1000.0, max_minutes, 10.0, valid_work, 10, calibration)
    clock.step_done(1.5, 15)
    clock.step_done(0.5, 5)
    return clock


def test_speeds_are_as_seen(now: Now) -> None:
    clock = clock_of()
    assert clock.per_step == pytest.approx(1.0)
    assert clock.per_evaluation == pytest.approx(1.0)  # 30 units at 0.1 s in training, a third of that forwards
    clock.evaluation_done(9.0)
    assert clock.per_evaluation == pytest.approx(9.0)
    clock.evaluation_done(4.0)
    clock.evaluation_done(2.0)
    assert clock.per_evaluation == pytest.approx(3.0), "the first also loads what figures need"
    clock.reset_timer()
    clock.step_done(5.0, 10)
    assert clock.per_step == pytest.approx(5.0)


def test_steps_the_budget_pays_for(now: Now) -> None:
    clock = clock_of()
    now.at += BUDGET - 100.5
    assert clock.remaining_steps() == 90  # 100.5 seconds less ten evaluations
    clock.evaluation_done(1.4)
    assert clock.remaining_steps() == 87  # nine of 1.4 seconds are left
    assert clock_of(calibration=3.0).remaining_steps() == 87
    slow = clock_of()
    slow.evaluation_done(20.0)
    assert slow.remaining_steps() == 80, "one slow evaluation, the first, does not end the training"
    slow.evaluation_done(20.0)
    assert slow.remaining_steps() == 0, "two do"
    now.at += 200
    assert clock.remaining_steps() == 0


def test_without_a_budget_or_a_speed_there_is_no_number(now: Now) -> None:
    assert clock_of(None).remaining_steps() is None
    clock = clock_of()
    clock.reset_timer()
    assert clock.remaining_steps() is None
    now.at += 1e6
    assert not clock_of(None).out_of_time()


def test_the_last_evaluation_has_its_time(now: Now) -> None:
    clock, long = clock_of(), clock_of(calibration=2.0)
    now.at += BUDGET - 1.5
    assert not clock.out_of_time()
    assert long.out_of_time()
    now.at += 1.0
    assert clock.out_of_time()


def test_evaluations_come_in_equal_parts(now: Now) -> None:
    clock = clock_of()
    assert not clock.due(0.0999)
    assert clock.due(0.1)
    clock.evaluation_done(1.0)
    assert not clock.due(0.1999)
    assert clock.due(0.2)


@pytest.mark.parametrize(("valid_work", "left"), [(30.0, 10), (60.0, 8), (3000.0, 2)])
def test_evaluations_take_a_share_of_the_budget_at_most(now: Now, valid_work: float, left: int) -> None:
    clock = clock_of(valid_work=valid_work)
    now.at += BUDGET - 108
    clock.fewer_evaluations()
    assert clock.evaluations == left  # 16.2 seconds for evaluations of 1, 2 or 100 seconds


def test_a_clock_goes_on_where_it_was(now: Now) -> None:
    clock = clock_of()
    clock.evaluation_done(4.0)
    now.at += 30
    record = clock.record()
    now.at += 5000
    again = TrainingClock(now.at, 2.0, 10.0, 30.0, 7, 0.0)
    again.restore(record)
    assert again.record() == record
    assert again.seconds == pytest.approx(30)


@pytest.mark.parametrize(("minutes", "enough"), [(None, 3.0), (60.0, 3.0), (0.5, 0.5 * 60 * (1 - RESERVE) / 20)])
def test_how_long_steps_are_timed(minutes: float | None, enough: float) -> None:
    assert clock_of(minutes).min_timing_seconds == pytest.approx(enough)
