"""Time stamps and time grids, compared with values computed by hand, and conversions in both directions."""

from __future__ import annotations

import datetime

import numpy as np
import pytest

from recurra.data.series.times import DAY, HOUR, TimeGrid, infer_grid, parse_time, parse_time_column


def seconds(*date: int) -> int:
    return int(datetime.datetime(*date, tzinfo=datetime.UTC).timestamp())


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2020", (seconds(2020, 1, 1), 1)),
        (" 1949-03 ", (seconds(1949, 3, 1), 2)),
        ("1700/2/28", (seconds(1700, 2, 28), 3)),
        ("2016-07-01 13:05:09", (seconds(2016, 7, 1, 13, 5, 9), 4)),
        ("2016-07-01T13:05", (seconds(2016, 7, 1, 13, 5), 4)),
        ("2016-07-01 13", (seconds(2016, 7, 1, 13), 4)),
        ("2016-07-01T00:30:00+02:00", (seconds(2016, 6, 30, 22, 30), 4)),
        ("2016-07-01T00:30:00Z", (seconds(2016, 7, 1, 0, 30), 4)),
        ("2019-02-29", None),
        ("31.12.2019", None),
        ("soon", None),
        ("", None),
    ],
)
def test_parse_time(cell: str, expected: object) -> None:
    assert parse_time(cell) == expected


def test_parse_time_with_a_format() -> None:
    assert parse_time("31.12.2019", "%d.%m.%Y") == (seconds(2019, 12, 31), 3)
    assert parse_time("31.12.2019 07", "%d.%m.%Y %H") == (seconds(2019, 12, 31, 7), 4)
    assert parse_time("2019-12-31", "%d.%m.%Y") is None


def test_integers_are_years_or_steps() -> None:
    timestamps, precision, first_bad = parse_time_column(["1999", "2000"])
    assert (timestamps.tolist(), precision, first_bad) == ([seconds(1999, 1, 1), seconds(2000, 1, 1)], 1, None)
    assert parse_time_column(["999", "1000"])[:2][1] == 0
    assert parse_time_column(["0", "1", "x"])[2] == 0  # All cells are parsed as dates, and none of them is one.


GRIDS = {
    "every hour": ["2020-03-28 22:00", "2020-03-28 23:00", "2020-03-29 00:00", "2020-03-29 03:00"],
    "every 15 minutes": ["2020-01-01 00:10", "2020-01-01 00:25", "2020-01-01 00:40"],
    "every day": ["1999-12-30", "1999-12-31", "2000-01-01"],
    "every week": ["2020-01-06", "2020-01-13", "2020-01-20", "2020-02-03"],
    "every month": ["2020-01-01", "2020-02-01", "2020-03-01", "2020-05-01"],
    "every 3 months": ["2019-10", "2020-01", "2020-04"],
    "every year": ["1699", "1700", "1702"],
    "every working day": [f"2020-01-{day:02}" for day in (1, 2, 3, 6, 7, 8, 9, 10, 14, 15, 16, 17)],
    "every step": ["7", "8", "11"],
    "every 5 steps": ["10", "15", "30"],
}


@pytest.mark.parametrize("name", GRIDS)
def test_infer_grid_and_conversions_in_both_directions(name: str) -> None:
    cells = GRIDS[name]
    timestamps, precision, _ = parse_time_column(cells)
    grid = infer_grid(timestamps, precision)
    assert grid.name == name
    positions, off_grid = grid.positions(timestamps)
    assert positions[0] == 0 and not len(off_grid)
    np.testing.assert_array_equal(grid.timestamps(positions), timestamps)
    formatted = grid.format(positions)
    assert parse_time_column(formatted)[0].tolist() == timestamps.tolist()
    assert [len(text) for text in formatted] == [len(c) if len(c) != 16 else 19 for c in cells]


def test_month_ends() -> None:
    timestamps, precision, _ = parse_time_column(["2020-01-31", "2020-02-29", "2020-03-31", "2020-05-31"])
    grid = infer_grid(timestamps, precision)
    assert (grid.name, grid.month_end) == ("every month", True)
    assert grid.positions(timestamps)[0].tolist() == [0, 1, 2, 4]
    assert grid.format(np.arange(5)) == ["2020-01-31", "2020-02-29", "2020-03-31", "2020-04-30", "2020-05-31"]


def test_positions_with_gaps_and_off_the_grid() -> None:
    timestamps = parse_time_column(GRIDS["every working day"])[0]
    grid = infer_grid(timestamps, 3)
    assert grid.positions(timestamps)[0].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12]  # January 13 is missing.
    hours = np.array([0, 1, 2, 3.5, 4]) * HOUR
    assert infer_grid(hours.astype(np.int64), 4).positions(hours.astype(np.int64))[1].tolist() == [3]


def test_calendar_features() -> None:
    grid = TimeGrid("second", HOUR, seconds(2024, 1, 1))  # a Monday
    features = grid.calendar_features(np.array([0, 6, 24 * 2 + 12]))
    np.testing.assert_allclose(features[0], [0, 1, 0, 1, 0, 1], atol=1e-6)
    np.testing.assert_allclose(features[1, :2], [1, 0], atol=1e-6)  # 06:00 is a quarter of the day.
    np.testing.assert_allclose(
        features[2, 2:4], [np.sin(4 * np.pi / 7), np.cos(4 * np.pi / 7)], atol=1e-6
    )  # a Wednesday
    year = (2.5 * DAY) / (365.2425 * DAY)
    np.testing.assert_allclose(features[2, 4:], [np.sin(2 * np.pi * year), np.cos(2 * np.pi * year)], atol=1e-6)
    monthly = TimeGrid("month", 1, 0, 2).calendar_features(np.array([0, 6]))
    assert not monthly[:, :4].any() and abs(monthly[1, 5] + 1) < 0.01
    assert not TimeGrid("step", 1).calendar_features(np.array([3])).any()
