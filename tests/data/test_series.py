"""Series from tables: long and wide, gaps, missing values, what is wrong and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recurra.data.sequence_id.columns import find_columns
from recurra.data.sequence_id.season import find_season
from recurra.data.sequence_id.series import Table
from recurra.data.sequence_id.table import read_table
from recurra.data.sequence_id.times import Grid

from recurra.data.sources.sources import open_source
from recurra.errors import DataError

NAN = float("nan")


def table(
    folder: Path, text: str, *, sort: bool = False, skip: bool = False, form: str | None = None, **asked: Any
) -> Table:
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    source = open_source(path, skip_broken=skip)
    columns, lines = find_columns(source, form=form, **asked)
    found = read_table(source, columns, form=form, sort=sort, skip=skip)
    found.lines[:0] = lines
    return found


WIDE = "date,a,b\n2020-01-01,1,10\n2020-01-02,,20\n2020-01-04,4,NA\n"
LONG = "id,date,value\n" + "".join(
    f"{name},{date},{value}\n" for date, a, b in (("2020-01-01", 1, 10), ("2020-01-02", "", 20), ("2020-01-04", 4, "NA"))
    for name, value in (("a", a), ("b", b))
)  # fmt: skip


@pytest.mark.parametrize("text", [WIDE, LONG], ids=["wide", "long"])
def test_long_is_wide(tmp_path: Path, text: str) -> None:
    found = table(tmp_path, text)
    assert [(one.name, one.grid.name, one.first) for one in found.series] == [
        ("a", "every day", 0),
        ("b", "every day", 0),
    ]
    np.testing.assert_array_equal(found.series[0].values, [1, NAN, NAN, 4])
    np.testing.assert_array_equal(found.series[1].values, [10, 20, NAN, NAN])
    many = "1 gap in time, 1 step" if text == WIDE else "2 gaps in time, 2 steps"
    where = "after" if text == WIDE else "a, after"
    assert found.lines[0] == f"{many} without a row (the longest 1: {where} 2020-01-02), taken as missing values"


def test_the_parts_of_a_time_are_put_together(tmp_path: Path) -> None:
    text = "No,year,month,day,hour,pm,wind\n" + "".join(f"{n + 1},2010,1,1,{n},{n * n},NW\n" for n in range(4))
    found = table(tmp_path, text)
    assert found.columns.time == ("year", "month", "day", "hour") and found.columns.targets == ("pm",)
    assert found.series[0].grid.name == "every hour"
    assert found.lines == ["columns left out: No, wind"]


def test_covariates_may_go_on_after_the_target(tmp_path: Path) -> None:
    text = "date,y,price,town\n2020-01-01,1,5,x\n2020-01-02,2,6,x\n2020-01-03,,7,x\n2020-01-04,,8,x\n"
    one = table(tmp_path, text, targets="y", known="price", static="town").series[0]
    assert one.values.tolist() == [1, 2] and one.known[:, 0].tolist() == [5, 6, 7, 8] and one.static == ("x",)
    whole = table(tmp_path, text, targets="y").series[0]
    np.testing.assert_array_equal(whole.values, [1, 2, NAN, NAN])  # nothing is known ahead: these are missing values


def test_a_table_without_time_counts_its_rows(tmp_path: Path) -> None:
    one = table(tmp_path, "value\n3\n1\n4\n").series[0]
    assert (one.name, one.grid.unit, one.values.tolist()) == ("value", "step", [3, 1, 4])


def test_a_series_goes_on_with_a_later_file(tmp_path: Path) -> None:
    one = table(tmp_path, "date,y\n2020-01-01,1\n2020-01-02,2\n2020-01-03,3\n").series[0]
    later = table(tmp_path, "date,y\n2020-01-03,30\n2020-01-04,4\n2020-01-05,5\n").series[0]
    assert one.followed_by(later).values.tolist() == [1, 2, 3, 4, 5]  # what both have stays as it was
    apart = table(tmp_path, "date,y\n2020-01-05,5\n2020-01-06,6\n").series[0]
    np.testing.assert_array_equal(one.followed_by(apart).values, [1, 2, 3, NAN, 5, 6])
    plain = table(tmp_path, "y\n1\n2\n").series[0]
    assert plain.followed_by(plain, counted=True).values.tolist() == [1, 2, 1, 2]
    steps = table(tmp_path, "step,y\n4,1\n5,2\n6,3\n").series[0]
    later = table(tmp_path, "step,y\n6,9\n7,4\n").series[0]
    assert steps.followed_by(later).values.tolist() == [1, 2, 3, 4]
    noon = table(tmp_path, "date,y\n2020-01-05 12:00,1\n2020-01-06 12:00,2\n").series[0]
    with pytest.raises(
        DataError, match="'y' goes on every day from 2020-01-05 12:00:00, but began every day from 2020-01-01:"
    ):
        one.followed_by(noon)


BAD: dict[str, tuple[str, dict[str, Any], str]] = {
    "time": ("date,y\n2020-01-01,1\nsoon,2\n2020-01-02,3\nlate,3\n", {"time": "date"},
             r"row 2, field 'date': 'soon' cannot be read as a time.*--time-format.*1 more row "),
    "no time at all": ("date,y\nx,1\ny,2\n", {"time": "date"}, "row 1, field 'date': 'x' cannot be read"),
    "number among dates": ("date,y\n2020-01-01,1\n2020-01-02,2\n43833,3\n2020-01-04,4\n", {},
                           r"row 3, field 'date': '43833' cannot be read as a time"),
    "a time too far": ("date,y\n2020-01-01 00:00:00,1\n2020-01-01 00:00:01,2\n2020-01-01 00:00:02,3\n2920-01-01,4\n", {},
                       r"row 4, field 'date': 2920-01-01 comes 28,401,\d+,\d+ steps after .*:02, where rows stand every sec"),
    "no name": ("id,date,y\na,2020-01-01,1\n,2020-01-02,2\n", {"series": "id"},
                r"row 2, field 'id': is empty, so nothing says which series.*on_error=skip"),
    "order": ("date,y\n2020-01-01,1\n2020-01-03,2\n2020-01-02,3\n", {},
              r"row 3, field 'date': 2020-01-02 comes after 2020-01-03: .*not sorted.* \(1 such places\).*--sort"),
    "twice": ("date,y\n2020-01-01,1\n2020-01-02,2\n2020-01-02,3\n", {},
              r"row 3, field 'date': 2020-01-02 stands there twice \(first in row 2\).*--sequence-id"),
    "number": ("date,y\n" + "".join(f"2020-01-{n:02},{n}\n" for n in range(1, 20)) + "2020-01-20,much\n2020-01-21,x\n",
               {"targets": "y"}, r"row 20, field 'y': 'much' is not a number; 1 more row .*on_error=skip"),
    "between": ("date,y\n2020-01-01 00:00,1\n2020-01-01 01:00,2\n2020-01-01 02:00,2\n2020-01-01 02:20,3\n", {},
                r"row 4, field 'date': 2020-01-01 02:20 is not on a regular grid.*every hour"),
    "static": ("date,y,town\n2020-01-01,1,a\n2020-01-02,2,b\n", {"static": "town", "targets": "y"},
               "row 2, field 'town': is 'b', but was 'a' above"),
    "column": ("date,y\n2020-01-01,1\n2020-01-02,2\n", {"known": "price"}, "no column 'price'"),
    "two things": ("date,y\n2020-01-01,1\n2020-01-02,2\n", {"known": "y", "targets": "y"}, "'y' cannot be two things"),
    "no numbers": ("date,y\n2020-01-01,a\n2020-01-02,b\n", {}, "no column holds numbers to forecast"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, name: str) -> None:
    text, asked, said = BAD[name]
    with pytest.raises(DataError, match=said) as raised:
        table(tmp_path, text, **asked)
    assert "table.csv" in str(raised.value) and len(str(raised.value).splitlines()) <= 2


@pytest.mark.parametrize(("name", "left"), [
    ("time", [1, 3]), ("twice", [1, 2]), ("number", list(range(1, 20))), ("number among dates", [1, 2, NAN, 4]),
    ("no name", [1]),
])  # fmt: skip
def test_broken_rows_may_be_left_out(tmp_path: Path, name: str, left: list[float]) -> None:
    text, asked, _ = BAD[name]
    found = table(tmp_path, text, skip=True, **asked)
    np.testing.assert_array_equal(found.series[0].values, left)
    assert "broken row" in found.lines[-1] and ": row " in found.lines[-1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("date,y\n2020-01-01,\"1,5\"\n2020-01-02,\"2,5\"\n", r"row 1, field 'y': '1,5' is not a number; 1 more .* nothing$"),
        ("date,y\nx,1\ny,2\n", "row 1, field 'date': 'x' cannot be read as a time: .*leaving such rows out leaves nothing$"),
    ],
)  # fmt: skip
def test_something_must_be_left(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        table(tmp_path, text, time="date", targets="y", skip=True)


def test_steps_may_be_written_as_decimals(tmp_path: Path) -> None:
    one = table(tmp_path, "step,y\n20.0,1\n21.0,2\n23.0,4\n").series[0]
    np.testing.assert_array_equal(one.values, [1, 2, NAN, 4])
    assert one.grid.unit == "step" and one.stamps([0, 3]) == ["20", "23"]


def test_rows_are_sorted_when_asked(tmp_path: Path) -> None:
    assert table(tmp_path, BAD["order"][0], sort=True).series[0].values.tolist() == [1, 3, 2]


def test_other_forms_of_time(tmp_path: Path) -> None:
    found = table(tmp_path, "day,y\n30.12.2019,1\n31.12.2019,2\n01.01.2020,3\n", form="%d.%m.%Y")
    assert found.series[0].values.tolist() == [1, 2, 3] and found.columns.time == ("day",)


STEP = Grid("step", 1)


def noise(steps: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=steps)


@pytest.mark.parametrize("season", [7, 25, 132])
def test_the_season_of_a_wave_is_found(season: int) -> None:
    steps = np.arange(season * 12)
    values = np.sin(2 * np.pi * steps / season) + 0.5 * np.cos(4 * np.pi * steps / season) + 0.3 * noise(len(steps))
    values = values + 0.01 * steps
    values[::11] = np.nan
    assert abs(find_season([values], STEP)[0] - season) <= season // 50


def test_there_is_no_season_in_noise_or_in_a_walk() -> None:
    assert find_season([noise(3000)], STEP) == (1, 0.0)
    assert find_season([], STEP) == (1, 0.0)
    assert find_season([np.array([1.0, 2.0, 1.0])], STEP) == (1, 0.0)


def test_of_a_day_in_a_week_the_stronger_is_taken() -> None:
    hours = np.arange(24 * 7 * 8)
    working = (hours // 24 % 7 < 5).astype(float)
    day = np.sin(2 * np.pi * hours / 24)
    grid = Grid("second", 3600)
    assert find_season([day + 0.1 * working], grid)[0] == 24
    assert find_season([day * working + 2 * working], grid)[0] == 168
