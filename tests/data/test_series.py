"""Time series from tables in long and wide format: gaps, missing values, and errors with their location."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recurra.data.series.columns import find_columns
from recurra.data.series.options import SeriesOptions
from recurra.data.series.series import TimeSeriesTable
from recurra.data.series.table import read_table
from recurra.data.sources.sources import open_source
from recurra.errors import DataError

NAN = float("nan")


def table(folder: Path, text: str, options: SeriesOptions = SeriesOptions(), **settings: Any) -> TimeSeriesTable:  # noqa: B008
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    source = open_source(path, skip_broken=options.skip)
    columns, messages = find_columns(source, options, **settings)
    result = read_table(source, columns, options)
    result.messages[:0] = messages
    return result


WIDE = "date,a,b\n2020-01-01,1,10\n2020-01-02,,20\n2020-01-04,4,NA\n"
LONG = "id,date,value\n" + "".join(
    f"{name},{date},{value}\n" for date, a, b in (("2020-01-01", 1, 10), ("2020-01-02", "", 20), ("2020-01-04", 4, "NA"))
    for name, value in (("a", a), ("b", b))
)  # fmt: skip


@pytest.mark.parametrize("text", [WIDE, LONG], ids=["wide", "long"])
def test_long_and_wide_format_give_the_same_series(tmp_path: Path, text: str) -> None:
    found = table(tmp_path, text)
    assert [(one.name, one.grid.name, one.start) for one in found.series] == [
        ("a", "every day", 0),
        ("b", "every day", 0),
    ]
    np.testing.assert_array_equal(found.series[0].values, [1, NAN, NAN, 4])
    np.testing.assert_array_equal(found.series[1].values, [10, 20, NAN, NAN])
    count = "1 gap in time, 1 time step" if text == WIDE else "2 gaps in time, 2 time steps"
    where = "after" if text == WIDE else "a, after"
    assert found.messages[0] == f"{count} without a row (longest gap 1: {where} 2020-01-02), treated as missing values"


def test_columns_of_a_time_are_joined(tmp_path: Path) -> None:
    text = "No,year,month,day,hour,pm,wind\n" + "".join(f"{n + 1},2010,1,1,{n},{n * n},NW\n" for n in range(4))
    found = table(tmp_path, text)
    assert found.columns.time == ("year", "month", "day", "hour") and found.columns.targets == ("pm",)
    assert found.series[0].grid.name == "every hour"
    assert found.messages == ["unused columns: No, wind"]


def test_future_covariates_may_be_longer_than_the_target(tmp_path: Path) -> None:
    text = "date,y,price,town\n2020-01-01,1,5,x\n2020-01-02,2,6,x\n2020-01-03,,7,x\n2020-01-04,,8,x\n"
    one = table(tmp_path, text, targets="y", future_covariates="price", static_covariates="town").series[0]
    assert (
        one.values.tolist() == [1, 2]
        and one.future_covariates[:, 0].tolist() == [5, 6, 7, 8]
        and one.static_covariates == ("x",)
    )
    whole = table(tmp_path, text, targets="y").series[0]
    np.testing.assert_array_equal(
        whole.values, [1, 2, NAN, NAN]
    )  # Without future covariates, these are missing values.


def test_without_a_time_column_rows_are_time_steps(tmp_path: Path) -> None:
    one = table(tmp_path, "value\n3\n1\n4\n").series[0]
    assert (one.name, one.grid.unit, one.values.tolist()) == ("value", "step", [3, 1, 4])


def test_a_series_is_extended_by_a_later_file(tmp_path: Path) -> None:
    one = table(tmp_path, "date,y\n2020-01-01,1\n2020-01-02,2\n2020-01-03,3\n").series[0]
    later = table(tmp_path, "date,y\n2020-01-03,30\n2020-01-04,4\n2020-01-05,5\n").series[0]
    assert one.extended_by(later).values.tolist() == [1, 2, 3, 4, 5]  # The overlap is taken from the first file.
    apart = table(tmp_path, "date,y\n2020-01-05,5\n2020-01-06,6\n").series[0]
    np.testing.assert_array_equal(one.extended_by(apart).values, [1, 2, 3, NAN, 5, 6])
    plain = table(tmp_path, "y\n1\n2\n").series[0]
    assert plain.extended_by(plain, counted=True).values.tolist() == [1, 2, 1, 2]
    steps = table(tmp_path, "step,y\n4,1\n5,2\n6,3\n").series[0]
    later = table(tmp_path, "step,y\n6,9\n7,4\n").series[0]
    assert steps.extended_by(later).values.tolist() == [1, 2, 3, 4]
    noon = table(tmp_path, "date,y\n2020-01-05 12:00,1\n2020-01-06 12:00,2\n").series[0]
    with pytest.raises(
        DataError, match="'y' has a value every day from 2020-01-01, but every day from 2020-01-05 12:00:00;"
    ):
        one.extended_by(noon)


BAD: dict[str, tuple[str, dict[str, Any], str]] = {
    "time": ("date,y\n2020-01-01,1\nsoon,2\n2020-01-02,3\nlate,3\n", {"time": "date"},
             r"row 2, field 'date': 'soon' is not a time.*--time-format.*1 more row "),
    "no time at all": ("date,y\nx,1\ny,2\n", {"time": "date"}, "row 1, field 'date': 'x' is not a time"),
    "number among dates": ("date,y\n2020-01-01,1\n2020-01-02,2\n43833,3\n2020-01-04,4\n", {},
                           r"row 3, field 'date': '43833' is not a time"),
    "a time too far": ("date,y\n2020-01-01 00:00:00,1\n2020-01-01 00:00:01,2\n2020-01-01 00:00:02,3\n2920-01-01,4\n", {},
                       r"row 4, field 'date': 2920-01-01 is 28,401,\d+,\d+ time steps after .*:02, .* rows are every sec"),
    "no name": ("id,date,y\na,2020-01-01,1\n,2020-01-02,2\n", {"series": "id"},
                r"row 2, field 'id': the cell is empty, so the row belongs to no series.*on_error=skip"),
    "order": ("date,y\n2020-01-01,1\n2020-01-03,2\n2020-01-02,3\n", {},
              r"row 3, field 'date': 2020-01-02 comes after 2020-01-03: .*not sorted.* \(1 row out of order\).*--sort"),
    "duplicate": ("date,y\n2020-01-01,1\n2020-01-02,2\n2020-01-02,3\n", {},
                  r"row 3, field 'date': duplicate time 2020-01-02 \(first in row 2\).*--series"),
    "number": ("date,y\n" + "".join(f"2020-01-{n:02},{n}\n" for n in range(1, 20)) + "2020-01-20,much\n2020-01-21,x\n",
               {"targets": "y"}, r"row 20, field 'y': 'much' is not a number; 1 more row .*on_error=skip"),
    "between": ("date,y\n2020-01-01 00:00,1\n2020-01-01 01:00,2\n2020-01-01 02:00,2\n2020-01-01 02:20,3\n", {},
                r"row 4, field 'date': 2020-01-01 02:20 is not on the regular time grid.*every hour"),
    "static": ("date,y,town\n2020-01-01,1,a\n2020-01-02,2,b\n", {"static_covariates": "town", "targets": "y"},
               "row 2, field 'town': the value is 'b', but 'a' in an earlier row"),
    "column": ("date,y\n2020-01-01,1\n2020-01-02,2\n", {"future_covariates": "price"}, "unknown column 'price'"),
    "two roles": ("date,y\n2020-01-01,1\n2020-01-02,2\n", {"future_covariates": "y", "targets": "y"},
                  "'y' cannot have two roles"),
    "no numbers": ("date,y\n2020-01-01,a\n2020-01-02,b\n", {}, "no column contains numbers to forecast"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_errors_name_row_and_field(tmp_path: Path, name: str) -> None:
    text, settings, message = BAD[name]
    with pytest.raises(DataError, match=message) as raised:
        table(tmp_path, text, **settings)
    assert "table.csv" in str(raised.value) and len(str(raised.value).splitlines()) <= 2


@pytest.mark.parametrize(("name", "values"), [
    ("time", [1, 3]), ("duplicate", [1, 2]), ("number", list(range(1, 20))), ("number among dates", [1, 2, NAN, 4]),
    ("no name", [1]),
])  # fmt: skip
def test_invalid_rows_can_be_skipped(tmp_path: Path, name: str, values: list[float]) -> None:
    text, settings, _ = BAD[name]
    found = table(tmp_path, text, SeriesOptions(skip=True), **settings)
    np.testing.assert_array_equal(found.series[0].values, values)
    assert "invalid row" in found.messages[-1] and ": row " in found.messages[-1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("date,y\n2020-01-01,a few\n2020-01-02,many\n",
         r"row 1, field 'y': 'a few' is not a number; 1 more .*; no row would remain if they were skipped$"),
        ("date,y\nx,1\ny,2\n", "row 1, field 'date': 'x' is not a time .*; no row would remain if they were skipped$"),
    ],
)  # fmt: skip
def test_skipping_all_rows_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        table(tmp_path, text, SeriesOptions(skip=True), time="date", targets="y")


def test_step_numbers_may_have_decimals(tmp_path: Path) -> None:
    one = table(tmp_path, "step,y\n20.0,1\n21.0,2\n23.0,4\n").series[0]
    np.testing.assert_array_equal(one.values, [1, 2, NAN, 4])
    assert one.grid.unit == "step" and one.format_times([0, 3]) == ["20", "23"]


def test_rows_are_sorted_on_request(tmp_path: Path) -> None:
    assert table(tmp_path, BAD["order"][0], SeriesOptions(sort=True)).series[0].values.tolist() == [1, 3, 2]


def test_other_time_formats(tmp_path: Path) -> None:
    found = table(
        tmp_path, "day,y\n30.12.2019,1\n31.12.2019,2\n01.01.2020,3\n", options=SeriesOptions(time_format="%d.%m.%Y")
    )
    assert found.series[0].values.tolist() == [1, 2, 3] and found.columns.time == ("day",)
