"""The times of cells and columns, compared with values computed by hand."""

from __future__ import annotations

import datetime

import numpy as np
import pytest

from recurra.data.series.time_cells import join_times
from recurra.data.series.time_column import read_times
from recurra.data.series.times import DAY, HOUR, SECOND, parse_with_format, scan
from recurra.errors import DataError, SettingError


def stamp(*date: int) -> int:
    return int(datetime.datetime(*date, tzinfo=datetime.UTC).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("cell", "expected", "precision"),
    [
        ("2020", (2020, 1, 1), 1),
        (" 1949-03 ", (1949, 3, 1), 2),
        ("03/1949", (1949, 3, 1), 2),
        ("Mar 1949", (1949, 3, 1), 2),
        ("1949 March", (1949, 3, 1), 2),
        ("2020年3月", (2020, 3, 1), 2),
        ("1700/2/28", (1700, 2, 28), 3),
        ("20200131", (2020, 1, 31), 3),
        ("31-Jan-20", (2020, 1, 31), 3),
        ("Jan 31, 2020", (2020, 1, 31), 3),
        ("Friday, 31 January 2020", (2020, 1, 31), 3),
        ("2020年1月31日", (2020, 1, 31), 3),
        ("2020Q3", (2020, 7, 1), 3),
        ("2020-Q3", (2020, 7, 1), 3),
        ("Q3 2020", (2020, 7, 1), 3),
        ("2020-W05", (2020, 1, 27), 3),
        ("2020W01", (2019, 12, 30), 3),
        ("2016-07-01 13:05:09", (2016, 7, 1, 13, 5, 9), 4),
        ("2016-07-01T13:05", (2016, 7, 1, 13, 5), 4),
        ("2016-07-01 13", (2016, 7, 1, 13), 4),
        ("20160701T130509", (2016, 7, 1, 13, 5, 9), 4),
        ("2016-07-01 24:00", (2016, 7, 2), 4),
        ("Jul 1, 2016 1:05 PM", (2016, 7, 1, 13, 5), 4),
        ("2016-07-01 12:05 am", (2016, 7, 1, 0, 5), 4),
    ],
)  # fmt: skip
def test_the_time_in_a_cell(cell: str, expected: tuple[int, ...], precision: int) -> None:
    times = read_times([cell])
    assert (times.stamps.tolist(), times.valid.tolist()) == ([stamp(*expected)], [True])
    one = scan(cell)
    assert one is not None and one.precision == precision


@pytest.mark.parametrize(
    "cell",
    ["2019-02-29", "soon", "", "2021-W53", "2020Q5", "2016-07-01 25:00", "2016-07-01 24:01", "2016-07-01 13:60", "13:05", "1.5",
     "2020.01", "2016-07-01 13:05 pm", "32/13/2020"],
)  # fmt: skip
def test_other_cells_are_no_times(cell: str) -> None:
    one = scan(cell)
    assert one is None or not read_times([cell, "2020-01-01", "2020-01-02"]).valid[0]


def test_fractions_of_a_second() -> None:
    assert read_times(["1970-01-01 00:00:00.25"]).stamps.tolist() == [SECOND // 4]


@pytest.mark.parametrize(
    ("cell", "time_format", "expected"),
    [
        ("31.12.2019", "%d.%m.%Y", (2019, 12, 31)),
        ("31.12.2019 07", "%d.%m.%Y %H", (2019, 12, 31, 7)),
        ("31.12.2019 24:00", "%d.%m.%Y %H:%M", (2020, 1, 1)),
        ("24.12.2019 24", "%d.%m.%Y %H", (2019, 12, 25)),
        ("2019-12-31", "%d.%m.%Y", None),
        ("31.12.2019 24:30", "%d.%m.%Y %H:%M", None),
    ],
)
def test_times_with_a_format(cell: str, time_format: str, expected: tuple[int, ...] | None) -> None:
    assert parse_with_format(cell, time_format) == (expected and (stamp(*expected), None))


@pytest.mark.parametrize(
    ("cells", "expected", "precision", "zone"),
    [
        (["1999", "2000"], [stamp(1999, 1, 1), stamp(2000, 1, 1)], 1, ""),
        (["999", "1000"], [999, 1000], 0, ""),
        (["7.0", "8.0"], [7, 8], 0, ""),
        (["199912", "200001"], [stamp(1999, 12, 1), stamp(2000, 1, 1)], 2, ""),
        (["19991231", "20000101"], [stamp(1999, 12, 31), stamp(2000, 1, 1)], 3, ""),
        (["20240205.0"], [stamp(2024, 2, 5)], 3, ""),
        (["2024020523", "2024020524"], [stamp(2024, 2, 5, 23), stamp(2024, 2, 6)], 4, ""),
        (["202402052310"], [stamp(2024, 2, 5, 23, 10)], 4, ""),
        (["20240205231059"], [stamp(2024, 2, 5, 23, 10, 59)], 4, ""),
        (["1672617600"], [stamp(2023, 1, 2)], 4, "+00:00"),
        (["1.6726176e9"], [stamp(2023, 1, 2)], 4, "+00:00"),
        (["1672617600000"], [stamp(2023, 1, 2)], 4, "+00:00"),
        (["1672617600000000"], [stamp(2023, 1, 2)], 4, "+00:00"),
        (["1672617600000000000"], [stamp(2023, 1, 2)], 4, "+00:00"),
        (["20240230", "20240231"], [20240230, 20240231], 0, ""),  # No such days.
    ],
)
def test_integers_are_years_dates_epochs_or_steps(
    cells: list[str], expected: list[int], precision: int, zone: str
) -> None:
    times = read_times(cells)
    assert (times.stamps.tolist(), times.precision, times.clock.zone) == (expected, precision, zone)


@pytest.mark.parametrize(
    ("time_format", "cell"),
    [("epoch", "86400"), ("epoch", "86400.0"), ("epoch_ms", "86400000"), ("epoch_us", "86400000000"),
     ("epoch_ns", "86400000000000"), ("excel", "25570")],
)  # fmt: skip
def test_formats_of_numbers(time_format: str, cell: str) -> None:
    assert read_times([cell], time_format=time_format).stamps.tolist() == [DAY]
    assert not read_times(["x"], time_format=time_format).valid.any()


def days(first: tuple[int, int, int], count: int, form: str) -> list[str]:
    begin = datetime.date(*first)
    return [(begin + datetime.timedelta(days=at)).strftime(form) for at in range(count)]


@pytest.mark.parametrize(
    ("form", "order"),
    [("%d/%m/%Y", "day/month/year"), ("%m/%d/%Y", "month/day/year"), ("%d.%m.%y", "day/month/year"),
     ("%m-%d-%y", "month/day/year"), ("%y-%m-%d", "year/month/day"), ("%m/%d/%Y %H:%M", "month/day/year")],
)  # fmt: skip
def test_the_order_of_a_date_is_decided_by_a_day_after_the_twelfth(form: str, order: str) -> None:
    times = read_times(days((2045, 1, 1), 20, form))
    assert times.order == order
    assert times.stamps.tolist() == [stamp(2045, 1, day) for day in range(1, 21)]


def test_the_order_of_a_date_is_decided_by_regular_distances() -> None:
    cells = [f"01/{month:02}/{year}" for year in (2019, 2020) for month in range(1, 13)]
    times = read_times(cells)
    assert times.order == "day/month/year" and "most regular" in times.messages[0]
    assert times.stamps[1] == stamp(2019, 2, 1)


def test_an_unclear_order_is_an_error_unless_it_is_known() -> None:
    cells = days((2023, 2, 1), 12, "%d/%m/%Y")
    with pytest.raises(
        DataError, match=r"'01/02/2023' could be day/month/year or month/day/year.*'%d/%m/%Y' or .*'%m/%d/%Y'"
    ):
        read_times(cells)
    assert read_times(cells, known_order="day/month/year").stamps[1] == stamp(2023, 2, 2)
    assert read_times(cells, known_order="month/day/year").stamps[0] == stamp(2023, 1, 2)


def test_rare_notations_are_not_valid() -> None:
    times = read_times(["2020-01-01", "2020-01-02", "2020", "3.1.2020", "43833", "2020-01-06 00:00"])
    assert times.valid.tolist() == [True, True, False, False, False, True]


def test_offsets_from_utc() -> None:
    times = read_times(["2023-01-22 18:00:00+08:00", "2023-01-22 19:00:00+08:00"])
    assert times.stamps.tolist() == [stamp(2023, 1, 22, 18), stamp(2023, 1, 22, 19)] and times.clock.zone == "+08:00"
    assert read_times(["2023-01-22T18:00:00Z"]).clock.zone == "Z"
    assert read_times(["2023-01-22 18:00 UTC"]).clock.zone == "+00:00"
    mixed = read_times(["2023-01-22 18:00+08:00", "2023-01-22 19:00+08:00", "2023-01-22 20:00"])
    assert mixed.valid.tolist() == [True, True, False]


def test_changing_offsets_become_those_of_the_last_row() -> None:
    times = read_times(["2023-03-26 00:00+01:00", "2023-03-26 01:00+01:00", "2023-03-26 03:00+02:00"])
    assert np.diff(times.stamps).tolist() == [HOUR, HOUR] and times.clock.zone == "+02:00"
    assert "--time-zone" in times.messages[0]
    daily = read_times([f"2023-03-{day} 00:00:00{offset}" for day, offset in ((10, "-05:00"), (11, "-05:00"), (12, "-05:00"),
                                                                             (13, "-04:00"), (14, "-04:00"))])  # fmt: skip
    assert np.diff(daily.stamps).tolist() == [DAY] * 4 and daily.clock.zone == "-04:00"


def test_local_times_of_a_named_zone() -> None:
    autumn = ["2023-10-29 01:00", "2023-10-29 02:00", "2023-10-29 02:00", "2023-10-29 03:00"]
    times = read_times(autumn, time_zone="Europe/Berlin")
    assert np.diff(times.stamps).tolist() == [HOUR] * 3
    assert read_times(autumn[::-1], time_zone="Europe/Berlin").stamps.tolist() == times.stamps.tolist()[::-1]
    spring = read_times(["2023-03-26 01:00", "2023-03-26 02:00", "2023-03-26 03:00"], time_zone="Europe/Berlin")
    assert spring.valid.tolist() == [True, False, True] and "does not exist in Europe/Berlin" in spring.problem
    assert spring.stamps[2] - spring.stamps[0] == HOUR
    with pytest.raises(SettingError, match=r"unknown time zone 'Europe/Berlim'.*'Europe/Berlin'"):
        read_times(autumn, time_zone="Europe/Berlim")
    with pytest.raises(DataError, match="requires times with a time of day"):
        read_times(["2023-03-26"], time_zone="Europe/Berlin")


@pytest.mark.parametrize(
    ("columns", "row", "text"),
    [
        (["year", "month"], ["2020", "3"], "2020-03"),
        (["Year", "Month"], ["2020", "Mar"], "2020-Mar"),
        (["year", "month", "day"], ["2020.0", "3.0", "7.0"], "2020-03-07"),
        (["year", "month", "day", "hour"], ["2020", "3", "7", "24"], "2020-03-07 24:00"),
        (["year", "month", "day", "hour", "minute"], ["2020", "3", "7", "5", "6"], "2020-03-07 05:06"),
        (["year", "quarter"], ["2020", "3"], "2020Q3"),
        (["year", "week"], ["2020", "5"], "2020-W05"),
        (["YEAR", "DOY"], ["2020", "60"], "2020-02-29"),
        (["Date", "Time"], ["10/03/2004", "18.00.00"], "10/03/2004 18.00.00"),
        (["Date", "Hour"], ["2020-03-07", "7"], "2020-03-07 07:00"),
        (["DATE", "TIME"], ["20200307", "1830"], "20200307 18:30"),
        (["date", "hour"], ["2020-03-07 00:00:00", "7"], "2020-03-07 07:00"),
    ],
)  # fmt: skip
def test_times_in_several_columns(columns: list[str], row: list[str], text: str) -> None:
    assert join_times(columns, None)([[cell] for cell in row]) == [text]
    assert read_times([text], known_order="day/month/year").valid.all()
