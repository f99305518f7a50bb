"""Training and validation part: of each series, and as windows of a panel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_panels import NAN, panel, series

from recurra.data.series.series import SeriesColumns, TimeSeries, TimeSeriesTable
from recurra.errors import DataError
from recurra.tasks.forecast.split import TrainValidationSplit
from recurra.tasks.forecast.split_windows import SplitWindows, evenly_spaced


def table(*made: TimeSeries) -> TimeSeriesTable:
    return TimeSeriesTable(list(made), SeriesColumns((), None, ("y",)), Path("data.csv"))


def test_the_end_of_each_series_is_held_back() -> None:
    split = TrainValidationSplit(table(series("a", list(range(50))), series("b", list(range(10)))), skip=False)
    assert (split.train_steps, split.valid_steps) == (60, 0)
    split.hold_out(0.1, 3)
    assert split.cuts == {"a": 45, "b": 7}
    assert (split.train_steps, split.valid_steps) == (52, 8)


def test_a_validation_file_follows_and_may_have_series_of_its_own() -> None:
    split = TrainValidationSplit(table(series("a", [1, 2, 3])), skip=False)
    split.append_validation(table(series("a", [4, 5]), series("b", [6, 7])))
    assert {one.name: one.values.tolist() for one in split.series} == {"a": [1, 2, 3, 4, 5], "b": [6, 7]}
    assert split.cuts == {"a": 3} and (split.train_steps, split.valid_steps) == (3, 4)


def test_series_that_cannot_be_learnt_stop_the_run_or_are_left_out() -> None:
    def made() -> TimeSeriesTable:
        return table(series("flat", [1, 1, 1, 1, 1]), series("none", [NAN] * 5), series("a", [1, 2, 3, 4, 5]))

    with pytest.raises(
        DataError, match=r"'flat' never changes \(always 1\); 1 more such series \(none\).*Take them out"
    ):
        TrainValidationSplit(made(), skip=False).drop_constant()
    split = TrainValidationSplit(made(), skip=True)
    split.drop_constant()
    assert [one.name for one in split.series] == ["a"] and split.cuts == {"a": 5}
    assert split.messages == [
        "2 of 3 series left out: the series 'flat' never changes (always 1); 1 more such series (none)"
    ]
    split.append_validation(table(series("flat", [1, 2]), series("a", [6, 7])))
    assert [one.name for one in split.series] == ["a"]
    with pytest.raises(
        DataError, match="'a' has 7 steps, 5 of them to train on; a window of 4 and a horizon of 2 want 6"
    ):
        split.drop_short(4, 2)
    with pytest.raises(DataError, match="has no 3 steps to forecast in a row"):
        split.check_validation(3)


def test_origins_of_both_parts() -> None:
    """Targets of the training part end before the cut; those of the validation part begin after it."""
    split = SplitWindows(panel(list(range(10)), [NAN, *range(1, 6)]), np.array([7, 14]))
    assert split.train_origins(3, 2).tolist() == [3, 4, 5]
    assert split.valid_origins(3, 2).tolist() == [7, 8, 14]
    with pytest.raises(DataError, match="has a window of 3 steps and a horizon of 4"):
        split.valid_origins(3, 4)


def test_written_and_opened_is_the_same(tmp_path: Path) -> None:
    made = panel([1, NAN, 3], [4, 5])
    made.known = np.arange(10, dtype=np.float32).reshape(5, 2)
    SplitWindows(made, np.array([2, 4])).write(tmp_path / "cache")
    found = SplitWindows.open(tmp_path / "cache")
    assert found.cuts.tolist() == [2, 4]
    for name in ("values", "known", "past", "calendar", "starts", "stats", "seasons", "vectors", "static"):
        np.testing.assert_array_equal(getattr(found.panel, name), getattr(made, name), name)


def test_evenly_spaced() -> None:
    assert evenly_spaced(np.arange(10, 15), 5).tolist() == [10, 11, 12, 13, 14]
    assert evenly_spaced(np.arange(10, 19), 3).tolist() == [10, 14, 18]
