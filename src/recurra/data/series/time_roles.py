"""Finds the columns of the time in a table, and other columns that are times and therefore no series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from recurra.data.series.date_order import ORDERS, arrange
from recurra.data.series.integer_times import integers, is_surely_time, read_integers
from recurra.data.series.time_cells import find_parts, is_time_of_day_column
from recurra.data.series.times import is_date, parse_with_format, scan
from recurra.data.sources.columns import by_name, counts_rows

TIME_NAMES = (
    *("time", "date", "datetime", "timestamp", "time_stamp", "ds", "date_time", "month", "day", "year", "hour", "week"),
    *("step", "时间", "日期", "年月", "年份"),
)
_PART_NAMES = {
    "year": 9999, "quarter": 4, "month": 12, "week": 53, "weekofyear": 53, "week_of_year": 53, "day": 31, "dayofyear": 366,
    "day_of_year": 366, "doy": 366, "weekday": 7, "dayofweek": 7, "day_of_week": 7, "day of week": 7, "dow": 7, "hour": 24,
    "hour_of_day": 24, "minute": 60, "second": 60, "yearmonth": 999999, "date_block_num": 9999,
}  # fmt: skip
_COUNTER_NAMES = {"time", "step", "timestep", "elapsed", "unixtime", "unix", "epoch", "timestamp", "ds"}
MIN_FRACTION = 0.9  # of the cells of a column of times that are times
Cells = Mapping[str, Sequence[str]]


def find_time(cells: Cells, time_format: str | None) -> tuple[str, ...]:
    """Return the columns of the time among some columns; none if there is no time.

    In this order: a column of dates, together with a column of times of day if there is one; year, month, ...; a column with a
    usual name of times; a first column of years.
    """
    dates = [column for column in cells if is_date_column(column, cells[column], time_format)]
    if dates:
        day = min(dates, key=lambda column: (is_time_of_day_column(column, cells[column]), _rank(column)))
        if time_format is None and _has_only_days(cells[day]):
            clock = next((c for c in cells if c != day and is_time_of_day_column(c, cells[c])), None)
            return (day, clock) if clock else (day,)
        return (day,)
    if time_format is None and (parts := find_parts(cells)):
        return parts
    lower = by_name(list(cells))
    named = [lower[name] for name in TIME_NAMES if name in lower]
    for column in named:
        if _are_steps(cells[column]):
            return (column,)
    if named and named[0].strip().lower() in TIME_NAMES[:7]:
        return (named[0],)  # The cells that are not times are reported when they are read.
    first = next(iter(cells), None)
    if first is not None and _are_years(cells[first]):
        return (first,)
    return ()


def _rank(column: str) -> int:
    """Return the preference of a column of dates by its name; lower is better."""
    name = column.strip().lower()
    if name in TIME_NAMES:
        return TIME_NAMES.index(name)
    return len(TIME_NAMES) + (0 if "date" in name or "time" in name else 1)


def is_date_column(name: str, cells: Sequence[str], time_format: str | None = None) -> bool:
    """Whether a column has dates: as text; or as integers that are certainly times or have a usual name of times."""
    present = [text.strip() for text in cells if text.strip()]
    usual = name.strip().lower() in TIME_NAMES
    if not present or 2 * len(present) < len(cells):
        return False
    required = (0.5 if usual else MIN_FRACTION) * len(present)
    if time_format is not None:
        return sum(parse_with_format(text, time_format) is not None for text in present) >= required and bool(present)
    whole = [text for text in present if integers([text]) is not None]
    if 2 * len(whole) >= len(present):
        if not usual:
            return len(whole) == len(present) and is_surely_time(whole)
        found = read_integers(whole)
        return len(whole) >= required and found is not None and found.precision > 1
    return sum(_is_date(text) for text in present) >= required


def _is_date(text: str) -> bool:
    one = None if _is_decimal(text) else scan(text)
    return one is not None and (
        one.notation != "triple" or any(is_date(*arrange(one.numbers, order)) for order in ORDERS)
    )


def _is_decimal(text: str) -> bool:
    return text.replace(".", "", 1).lstrip("+-").isdigit()


def _has_only_days(cells: Sequence[str]) -> bool:
    """Whether the dates of a column have no time of day, or always midnight."""
    present = [text for text in cells if text.strip()]
    if (whole := read_integers([text.strip() for text in present])) is not None:
        return whole.precision == 3
    found = [one for text in present if (one := scan(text))]
    return max((min(one.precision, 4) for one in found), default=0) == 3 or all(
        one.precision >= 3 and one.time == 0 and one.offset is None for one in found
    )


def _are_steps(cells: Sequence[str]) -> bool:
    present = [text.strip() for text in cells if text.strip()]
    return 2 * sum(integers([text]) is not None for text in present) >= len(present) > 0


def _are_years(cells: Sequence[str]) -> bool:
    """Whether integers count years from row to row."""
    values = integers([text.strip() for text in cells])
    return values is not None and values.min() >= 1600 and values.max() <= 2200 and counts_rows(values.tolist())


def is_redundant_time(name: str, cells: Sequence[str]) -> bool:
    """Whether a numeric column beside the time is another time: by its name, or because of dates, epochs or decimal years."""
    name = name.strip().lower()
    present = [text.strip() for text in cells if text.strip()]
    if is_date_column(name, cells) or is_time_of_day_column(name, cells):
        return True
    if name in _PART_NAMES and (whole := integers(present)) is not None and len(whole):
        return bool(whole.min() >= 0 and whole.max() <= _PART_NAMES[name])
    try:
        values = [float(text) for text in present]
    except ValueError:
        return False
    steps = [b - a for a, b in pairwise(values)]
    if name in _COUNTER_NAMES and steps and min(steps) >= 0:
        return True
    if len(values) < 4 or not all(1600 <= value <= 2200 for value in values):
        return False
    low, high = min(steps), max(steps)
    return low > 0 and high <= min(1.2 * low, 1.0) and any(value % 1 for value in values)
