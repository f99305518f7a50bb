"""The time in one cell of a table: dates, times of day, quarters, weeks, and offsets from UTC.

    2020, 2020-01, 2020-01-31, 20200131, 2020-01-31T12:00:00.5+08:00, 2020-01-31 24:00, 31.01.2020, 1/31/20 1:30 PM,
    Jan 31, 2020, 31-Jan-20, 2020Q1, Q1 2020, 2020-W05, 2020年1月31日

`scan` reads the numbers of a cell. Which of them is the day, the month or the year is decided for a whole column:
see time_column.py. A timestamp is an integer: the microseconds since 1970-01-01.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple

SECOND = 1_000_000  # microseconds
MINUTE, HOUR, DAY, WEEK = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND, 604_800 * SECOND
EPOCH_DAY = date(1970, 1, 1).toordinal()

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = rf"(?P<name>{'|'.join(MONTHS)})[a-z]*\.?"
_DAY_NAME = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?"
_TIME = (
    r"(?:(?:\s*t\s*|\s+|,\s*)(?P<hour>\d{1,2})(?:(?:[:.h]|(?=\d\d))(?P<minute>\d{2})(?:(?:[:.]|(?=\d\d))(?P<second>\d{2})"
    r"(?:[.,](?P<fraction>\d+))?)?)?h?\s*(?P<half>[ap])?(?(half)\.?m\.?)"
    r"\s*(?P<zone>z|(?:utc|gmt)?[+-]\d{2}(?::?\d{2})?|utc|gmt)?)?"
)
_DATES = (
    r"(?P<y>\d{4})(?:[-/](?P<m>\d{1,2}))?",  # 2020.01 would also be a number
    r"(?P<y>\d{4})(?P<sep>[-/.])(?P<m>\d{1,2})(?P=sep)(?P<d>\d{1,2})",
    r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})",
    r"(?P<a>\d{1,2})(?P<sep>[-/.])(?P<b>\d{1,2})(?P=sep)(?P<c>\d{4}|\d{2})",
    r"(?P<m>\d{1,2})[-/](?P<y>\d{4})",
    rf"(?P<d>\d{{1,2}})[-/.\s]*{_MONTH}[-/,\s]*(?P<y>\d{{4}}|\d{{2}})",
    rf"{_MONTH}\s*(?P<d>\d{{1,2}})(?:,\s*|\s+)(?P<y>\d{{4}})",
    rf"{_MONTH}[-/,\s]*(?P<y>\d{{4}}|\d{{2}})",
    rf"(?P<y>\d{{4}})[-/.\s]*{_MONTH}(?:[-/.\s]+(?P<d>\d{{1,2}}))?",
)
_PATTERNS = tuple(re.compile(_DAY_NAME + one + _TIME) for one in _DATES)
_QUARTERS = (
    re.compile(r"(?P<y>\d{4})[-/:\s]*q(?P<q>[1-4])"),
    re.compile(r"q(?P<q>[1-4])[-/:\s]*(?P<y>\d{4})"),
    re.compile(r"(?P<q>[1-4])q[-/:\s]*(?P<y>\d{4})"),
)
_WEEK = re.compile(r"(?P<y>\d{4})[-/\s]*w(?P<w>\d{1,2})(?:-(?P<d>[1-7]))?")
_TIME_OF_DAY = re.compile(r"\d{1,2}(?:[:.h]\d{2})(?:[:.]\d{2}(?:[.,]\d+)?)?\s*(?:[ap]\.?m\.?)?", re.IGNORECASE)
_CHINESE = str.maketrans({"年": "-", "月": "-", "日": " ", "时": ":", "点": ":", "分": ":", "秒": " "})


class Scan(NamedTuple):
    """The numbers in a cell.

    notation    "date", "quarter", "week", or "triple": two numbers and a year whose order is not known yet
    numbers     year, month and day; or the three numbers of a triple in the order of the cell
    precision   1 year, 2 month, 3 day (also quarter and week), 4 time of day
    time        microseconds since midnight, at most 24:00
    offset      seconds east of UTC; None if the cell names no zone
    """

    notation: str
    numbers: tuple[int, int, int]
    precision: int
    time: int = 0
    offset: int | None = None


@lru_cache(maxsize=1 << 17)
def scan(cell: str) -> Scan | None:
    """Read the numbers of a time, or return None if the cell is not a time.

    >>> scan("2020-01-31 06:00Z")
    Scan(notation='date', numbers=(2020, 1, 31), precision=4, time=21600000000, offset=0)
    """
    text = cell.strip().lower()
    if not text.isascii():
        text = re.sub(r"[-:\s]+$", "", text.translate(_CHINESE))
    for pattern in _PATTERNS:
        if match := pattern.fullmatch(text):
            return _date(match.groupdict())
    for pattern in _QUARTERS:
        if match := pattern.fullmatch(text):
            return Scan("quarter", (int(match["y"]), 3 * int(match["q"]) - 2, 1), 3)
    if match := _WEEK.fullmatch(text):
        try:
            day = date.fromisocalendar(int(match["y"]), int(match["w"]), int(match["d"] or 1))
        except ValueError:
            return None
        return Scan("week", (day.year, day.month, day.day), 3)
    return None


def _date(found: dict[str, str | None]) -> Scan | None:
    time = _time_of_day(found)
    if time is None:
        return None
    has_time = found["hour"] is not None
    if found.get("a"):
        numbers = (int(found["a"] or 0), int(found["b"] or 0), int(found["c"] or 0))
        return Scan("triple", numbers, 4 if has_time else 3, time, _offset(found["zone"]))
    year, month, day = found["y"] or "", found.get("m"), found.get("d")
    number = MONTHS.index(name[:3]) + 1 if (name := found.get("name")) else int(month or 1)
    precision = 4 if has_time else 3 if day else 2 if month or name else 1
    if has_time and not day:
        return None
    numbers = (full_year(int(year)) if len(year) == 2 else int(year), number, int(day or 1))
    return Scan("date", numbers, precision, time, _offset(found["zone"])) if is_date(*numbers) else None


def _time_of_day(found: dict[str, str | None]) -> int | None:
    hour, minute, second = (int(found[name] or 0) for name in ("hour", "minute", "second"))
    fraction = round(float(f"0.{found['fraction']}") * SECOND) if found["fraction"] else 0
    if found["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + 12 * (found["half"] == "p")
    if minute > 59 or second > 59 or hour > 24:
        return None
    time = hour * HOUR + minute * MINUTE + second * SECOND + fraction
    return time if time <= DAY else None


def _offset(zone: str | None) -> int | None:
    if zone is None:
        return None
    digits = re.sub("[^0-9]", "", zone)
    seconds = int(digits[:2]) * 3600 + int(digits[2:] or 0) * 60 if digits else 0
    return -seconds if "-" in zone else seconds


def full_year(year: int) -> int:
    """Return the year of two digits, from 1969 to 2068, as `strptime` does."""
    return year + (1900 if year >= 69 else 2000)


def is_date(year: int, month: int, day: int) -> bool:
    """Whether a day exists."""
    return ordinal(year, month, day) is not None


@lru_cache(maxsize=1 << 16)
def ordinal(year: int, month: int, day: int) -> int | None:
    """Return the days since 1970-01-01, or None if there is no such day."""
    try:
        return date(year, month, day).toordinal() - EPOCH_DAY
    except ValueError:
        return None


def is_time_of_day(cell: str) -> bool:
    """Whether a cell is a time of day without a date: 18:30, 18.30.00, 6:30 pm."""
    return _TIME_OF_DAY.fullmatch(cell.strip()) is not None


@lru_cache(maxsize=1 << 16)
def parse_with_format(cell: str, time_format: str) -> tuple[int, int | None] | None:
    """Return (local timestamp, offset from UTC in seconds or None) of a cell in a format of strptime; None otherwise.

    The hour 24 is 0 o'clock of the next day.

    >>> parse_with_format("02.01.1970 24:00", "%d.%m.%Y %H:%M")
    (172800000000, None)
    """
    cell = cell.strip()
    try:
        return _local(datetime.strptime(cell, time_format))
    except ValueError:
        if not re.search(r"%[HX T]", time_format) or not re.search(r"(?<!\d)24(?!\d)", cell):
            return None
    for match in re.finditer(r"(?<!\d)24(?!\d)", cell):
        try:
            stamp, offset = _local(datetime.strptime(cell[: match.start()] + "00" + cell[match.end() :], time_format))
        except ValueError:
            continue
        if stamp % DAY == 0:
            return stamp + DAY, offset
    return None


def _local(time: datetime) -> tuple[int, int | None]:
    days, offset = time.toordinal() - EPOCH_DAY, time.utcoffset()
    stamp = days * DAY + ((time.hour * 60 + time.minute) * 60 + time.second) * SECOND + time.microsecond
    return stamp, None if offset is None else round(offset.total_seconds())
