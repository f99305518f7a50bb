"""Training and validation part of each series, and of the windows of a panel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_panels import NAN, panel, series

from recurra.data.series.series import SeriesColumns, TimeSeries, TimeSeriesTable
from recurra.errors import DataError
from recurra.tasks.forecast.split import TrainValidationSplit
from recurra.tasks.forecast.split_windows import SplitWindows, evenly_spaced_indices

NAMES = ("values", "future_covariates", "past_covariates", "calendar", "starts", "stats", "seasonality", "embedding_indices",
         "static_covariates")  # fmt: skip


def table(*members: TimeSeries) -> TimeSeriesTable:
    return TimeSeriesTable(list(members), SeriesColumns((), (), ("y",)), Path("data.csv"))


def test_the_end_of_each_series_is_held_out() -> None:
    split = TrainValidationSplit(table(series("a", list(range(50))), series("b", list(range(10)))), skip=False)
    assert (split.train_steps, split.valid_steps) == (60, 0)
    split.hold_out(0.1, 3)
    assert split.cutoffs == {"a": 45, "b": 7}
    assert (split.train_steps, split.valid_steps) == (52, 8)


def test_a_validation_file_extends_series_and_may_add_new_ones() -> None:
    split = TrainValidationSplit(table(series("a", [1, 2, 3])), skip=False)
    split.append_validation(table(series("a", [4, 5]), series("b", [6, 7])))
    assert {one.name: one.values.tolist() for one in split.series} == {"a": [1, 2, 3, 4, 5], "b": [6, 7]}
    assert split.cutoffs == {"a": 3} and (split.train_steps, split.valid_steps) == (3, 4)


def test_unusable_series_raise_or_are_skipped() -> None:
    def unusable() -> TimeSeriesTable:
        return table(series("flat", [1, 1, 1, 1, 1]), series("none", [NAN] * 5), series("a", [1, 2, 3, 4, 5]))

    with pytest.raises(DataError, match=r"'flat' is constant \(always 1\); 1 more such series \(none\).*Remove them"):
        TrainValidationSplit(unusable(), skip=False).drop_constant()
    split = TrainValidationSplit(unusable(), skip=True)
    split.drop_constant()
    assert [one.name for one in split.series] == ["a"] and split.cutoffs == {"a": 5}
    assert split.messages == [
        "2 of 3 series skipped: the series 'flat' is constant (always 1); 1 more such series (none)"
    ]
    split.append_validation(table(series("flat", [1, 2]), series("a", [6, 7])))
    assert [one.name for one in split.series] == ["a"]
    with pytest.raises(
        DataError, match="'a' has 7 time steps, 5 of them for training; a context of 4 and a horizon of 2 require 6"
    ):
        split.drop_short(4, 2)
    with pytest.raises(DataError, match="does not contain 3 consecutive time steps to forecast"):
        split.check_validation(3)


def test_origins_of_both_parts() -> None:
    """Targets of the training part end before the cutoff, and those of the validation part begin after it."""
    split = SplitWindows(panel(list(range(10)), [NAN, *range(1, 6)]), np.array([7, 14]))
    assert split.train_origins(3, 2).tolist() == [3, 4, 5]
    assert split.valid_origins(3, 2).tolist() == [7, 8, 14]
    with pytest.raises(DataError, match="has a context of 3 time steps and a horizon of 4"):
        split.valid_origins(3, 4)


def test_write_and_open(tmp_path: Path) -> None:
    written = panel([1, NAN, 3], [4, 5])
    written.future_covariates = np.arange(10, dtype=np.float32).reshape(5, 2)
    SplitWindows(written, np.array([2, 4])).write(tmp_path / "cache")
    opened = SplitWindows.open(tmp_path / "cache")
    assert opened.cutoffs.tolist() == [2, 4]
    for name in NAMES:
        np.testing.assert_array_equal(getattr(opened.panel, name), getattr(written, name), name)


def test_evenly_spaced() -> None:
    assert evenly_spaced_indices(np.arange(10, 15), 5).tolist() == [10, 11, 12, 13, 14]
    assert evenly_spaced_indices(np.arange(10, 19), 3).tolist() == [10, 14, 18]
