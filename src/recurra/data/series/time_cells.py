"""Times in several columns: year, month, day, hour, ...; or a date and a time of day."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta

from recurra.data.series.times import MONTHS, is_time_of_day

PARTS: dict[str, tuple[str, ...]] = {
    "year": ("year", "yr", "yyyy", "#yy", "年"),
    "quarter": ("quarter", "qtr"),
    "week": ("week", "isoweek", "weekofyear"),
    "day of year": ("doy", "dayofyear", "day_of_year"),
    "month": ("month", "mnth", "mo", "mon", "mm", "月"),
    "day": ("day", "dy", "dd", "dayofmonth", "日"),
    "hour": ("hour", "hr", "hh", "时"),
    "minute": ("minute", "min"),
    "second": ("second", "sec"),
}
NAMES = {name: part for part, names in PARTS.items() for name in names}
_RANGES = {"year": (1000, 2999), "quarter": (1, 4), "week": (1, 53), "day of year": (1, 366), "month": (1, 12), "day": (1, 31),
           "hour": (0, 24), "minute": (0, 59), "second": (0, 59)}  # fmt: skip
_MONTH_NAMES = re.compile(rf"({'|'.join(MONTHS)})[a-z]*\.?")
_MIDNIGHT = re.compile(r"[T ]0?0:00(:00(\.0+)?)?$")
_HOUR_NAMES = ("hour", "hr", "hh", "he", "hour ending", "hour_ending", "hourending", "time", "hrmn", "hours", "时间")


def as_integer(text: str) -> int | None:
    """Return the integer in a cell such as 7 or 7.0; None for other cells."""
    match = re.fullmatch(r"(\d{1,9})(?:\.0*)?", text.strip())
    return int(match[1]) if match else None


def find_parts(cells: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the columns of the parts of a time: year and month, year and week, year, month, day, hour, ...; none if absent."""
    parts: dict[str, str] = {}
    for column, part in zip(cells, part_names(list(cells)), strict=True):
        if part and part not in parts and _is_part(cells[column], part):
            parts[part] = column
    if "year" not in parts:
        return ()
    chains = (("month", "day", "hour", "minute", "second"), ("day of year", "hour", "minute"), ("week",), ("quarter",))
    for chain in chains:
        found = [parts["year"]]
        for part in chain:
            if part not in parts:
                break
            found.append(parts[part])
        if len(found) > 1:
            return tuple(found)
    return ()


def part_names(columns: Sequence[str]) -> list[str]:
    """Return the part of a time that each column is named after, or ""; after a month MM, mm is the minute."""
    parts: list[str] = []
    for column in columns:
        part = NAMES.get(column.strip().lower(), "")
        parts.append("minute" if part == "month" and column.strip() == "mm" and "month" in parts else part)
    return parts


def _is_part(cells: Sequence[str], part: str) -> bool:
    low, high = _RANGES[part]
    present = [text for text in cells if text.strip()]
    values = [as_integer(text) for text in present]
    if part == "month" and all(_MONTH_NAMES.fullmatch(text.strip().lower()) for text in present):
        return bool(present)
    if part == "hour" and present and all(is_time_of_day(text) for text in present):
        return True
    return bool(present) and all(value is not None and low <= value <= high for value in values)


def is_time_of_day_column(name: str, cells: Sequence[str]) -> bool:
    """Whether a column has times of day: 18:30, or hours 0 to 24 or 0000 to 2400 under a name such as hour or time."""
    present = [text for text in cells if text.strip()]
    if not present:
        return False
    if all(is_time_of_day(text) for text in present):
        return ":" in present[0] or name.strip().lower() in _HOUR_NAMES
    if name.strip().lower() not in _HOUR_NAMES:
        return False
    values = [as_integer(text) for text in present]
    if any(value is None for value in values):
        return False
    known = [value for value in values if value is not None]
    return max(known) <= 24 or all(value <= 2400 and value % 100 < 60 for value in known)


def join_times(columns: Sequence[str], time_format: str | None) -> Callable[[Sequence[Sequence[str]]], list[str]]:
    """Return the function that joins the cells of time columns, a sequence of cells per column, to one text per row."""
    if len(columns) == 1:
        return lambda cells: list(cells[0])
    parts = part_names(columns)
    if time_format is None and parts[0] == "year" and all(parts):
        return lambda cells: [_from_parts(dict(zip(parts, row, strict=True))) for row in zip(*cells, strict=True)]
    if time_format is None and len(columns) == 2:
        return _date_and_time
    return lambda cells: [" ".join(text.strip() for text in row) for row in zip(*cells, strict=True)]


def _from_parts(cells: Mapping[str, str]) -> str:
    """Join the parts of one time."""
    numbers = {part: as_integer(text) for part, text in cells.items()}
    year = numbers["year"]
    if year is None:
        return " ".join(cells.values())
    if "quarter" in cells:
        return f"{year}Q{numbers['quarter']}"
    if "week" in cells:
        return f"{year}-W{numbers['week'] or 0:02}"
    if "day of year" in cells:
        days = numbers["day of year"] or 0
        day = date(year, 1, 1) + timedelta(days=days - 1)
        text = f"{day}" if 1 <= days <= 366 and day.year == year else f"{year} day {days}"
    else:
        text = "-".join([f"{year:04}", *(_piece(cells[part]) for part in ("month", "day") if part in cells)])
    if "hour" not in cells:
        return text
    if numbers["hour"] is None:
        return f"{text} {cells['hour'].strip()}"
    clock = [numbers["hour"], *(numbers[part] for part in ("minute", "second") if part in cells)]
    clock += [0] * (len(clock) == 1)
    return f"{text} " + ":".join("?" if value is None else f"{value:02}" for value in clock)


def _piece(text: str) -> str:
    """Return a month or day with two digits, or the name of a month."""
    number = as_integer(text)
    return text.strip() if number is None else f"{number:02}"


def _date_and_time(cells: Sequence[Sequence[str]]) -> list[str]:
    """Join dates and times of day. Times may be hours, or numbers such as 1830."""
    dates, times = cells
    numbers = [as_integer(text) for text in times]
    hhmm = max((value for value in numbers if value is not None), default=0) > 24
    joined = []
    for day, text, value in zip(dates, times, numbers, strict=True):
        if value is not None:
            text = f"{value // 100:02}:{value % 100:02}" if hhmm else f"{value:02}:00"
        joined.append(f"{_MIDNIGHT.sub('', day.strip())} {text.strip()}")
    return joined
