"""Time stamps and regular time grids: parsing, positions on a grid, formatting, and calendar features.

A timestamp is an integer: the seconds since 1970-01-01 (UTC), or the number itself if the column counts time steps. A
`TimeGrid` maps timestamps to positions 0, 1, 2, ... of equal time steps, which are a number of seconds, working days, months,
or plain steps.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

_DATE_TIME = re.compile(
    r"(\d{4})(?:[-/.](\d{1,2})(?:[-/.](\d{1,2})(?:[T ]+(\d{1,2})(?::?(\d{2})(?::?(\d{2})(?:[.,]\d+)?)?)?"
    r"\s*(Z|[+-]\d{2}:?\d{2})?)?)?)?"
)
_NUMBER = re.compile(r"[+-]?\d+(?:\.0*)?")
_YEAR = re.compile(r"[12]\d{3}")
HOUR, DAY, WEEK = 3600, 86_400, 604_800
YEAR_DAYS = 365.2425
CYCLES = ("hour of the day", "day of the week", "day of the year")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = ((WEEK, "weeks"), (DAY, "days"), (HOUR, "hours"), (60, "minutes"), (1, "seconds"))


@lru_cache(maxsize=1 << 17)
def parse_time(cell: str, time_format: str | None = None) -> tuple[int, int] | None:
    """Return (timestamp, precision) of a cell, or None if the cell is not a time.

    The precision is 1 for a year, 2 for a month, 3 for a day and 4 for a time of day. `time_format` is a format of strptime.
    Without it, formats that begin with the year are accepted: 2020, 2020-01, 2020-01-31, 2020-01-31T12:00:00Z.

    >>> parse_time("1970-01-02")
    (86400, 3)
    """
    cell = cell.strip()
    try:
        if time_format is not None:
            time = datetime.strptime(cell, time_format)
            time = time if time.tzinfo else time.replace(tzinfo=UTC)
            has_time, has_day = re.search("%[HIcXs]", time_format), "%d" in time_format or "%j" in time_format
            return _seconds(time), 4 if has_time else 3 if has_day else 2
        match = _DATE_TIME.fullmatch(cell)
        if match is None:
            return None
        year, month, day, hour, minute, second, zone = match.groups()
        time = datetime(int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0),
                        tzinfo=UTC)  # fmt: skip
        if zone and zone != "Z":
            sign = -1 if zone[0] == "-" else 1
            time -= sign * timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
        return _seconds(time), 4 if hour else 3 if day else 2 if month else 1
    except ValueError:
        return None


def _seconds(time: datetime) -> int:
    return round((time - _EPOCH).total_seconds())


def parse_step(cell: str) -> int | None:
    """Return the integer in a cell, or None if the cell is not an integer."""
    return int(float(cell)) if _NUMBER.fullmatch(cell.strip()) else None


def parse_time_column(cells: Sequence[str], time_format: str | None = None) -> tuple[Integers, int, int | None]:
    """Return (timestamps, precision, index of the first cell that cannot be parsed or None).

    Integers are years if all of them have four digits. Otherwise they are numbers of time steps, and the precision is 0. The
    other precisions are those of `parse_time`; the highest one of the column is returned.
    """
    integers = time_format is None and all(_NUMBER.fullmatch(cell.strip()) for cell in cells)
    if integers and not all(_YEAR.fullmatch(cell.strip()) for cell in cells):
        return np.array([parse_step(cell) for cell in cells], np.int64), 0, None
    parsed = [parse_time(cell, time_format) for cell in cells]
    first_bad = next((at for at, one in enumerate(parsed) if one is None), None)
    valid = [one for one in parsed if one is not None]
    timestamps = np.array([one[0] for one in valid], np.int64)
    return timestamps, max((one[1] for one in valid), default=0), first_bad


@dataclass(frozen=True)
class TimeGrid:
    """A regular time grid.

    unit        "step", "second", "working day" or "month"
    size        number of units in a time step
    base        the timestamp (unit step or second), day (working day) or month (month) at position 0
    precision   precision of formatted times, see `parse_time`; 0 for plain steps
    month_end   whether times are the last days of months

    >>> TimeGrid("second", 3600).format([0, 1])
    ['1970-01-01 00:00:00', '1970-01-01 01:00:00']
    """

    unit: str
    size: int
    base: int = 0
    precision: int = 4
    month_end: bool = False

    @property
    def name(self) -> str:
        """The time step as text: `every hour`, `every 15 minutes`, `every month`."""
        if self.unit == "second":
            seconds, word = next((s, w) for s, w in _UNITS if self.size % s == 0)
            count = self.size // seconds
        else:
            count, word = self.size, f"{self.unit}s"
            if self.unit == "month" and count % 12 == 0:
                count, word = count // 12, "years"
        return f"every {word.removesuffix('s')}" if count == 1 else f"every {count} {word}"

    def positions(self, timestamps: Integers) -> tuple[Integers, Integers]:
        """Return (positions, indices of the timestamps that are not on the grid)."""
        if self.unit == "working day":
            days = timestamps // DAY
            positions = np.busday_count(np.datetime64(self.base, "D"), days.astype("datetime64[D]")).astype(np.int64)
            on_grid = np.is_busday(days.astype("datetime64[D]")) & (timestamps % DAY == 0)
            return positions, np.flatnonzero(~on_grid)
        units = _months(timestamps) if self.unit == "month" else timestamps
        positions, rest = np.divmod(units - self.base, self.size)
        return positions.astype(np.int64), np.flatnonzero(rest)

    def timestamps(self, positions: Integers) -> Integers:
        """Return the timestamps of positions, the inverse of `positions`."""
        if self.unit == "working day":
            first = np.busday_offset(np.datetime64(self.base, "D"), positions, roll="forward")
            return first.astype("datetime64[D]").astype(np.int64) * DAY
        units = self.base + np.asarray(positions, np.int64) * self.size
        if self.unit != "month":
            return units
        months = (units + int(self.month_end)).astype("datetime64[M]").astype("datetime64[s]").astype(np.int64)
        return np.asarray(months - DAY * int(self.month_end), np.int64)

    def format(self, positions: Integers | Sequence[int]) -> list[str]:
        """Return the times of positions as text with the grid's precision."""
        timestamps = self.timestamps(np.asarray(positions, np.int64))
        if self.unit == "step":
            return [str(timestamp) for timestamp in timestamps.tolist()]
        unit = {1: "Y", 2: "M", 3: "D"}.get(self.precision, "s")
        texts = np.datetime_as_string(timestamps.astype("datetime64[s]").astype(f"datetime64[{unit}]"))
        return [text.replace("T", " ") for text in texts.tolist()]

    def calendar_periods(self) -> list[int]:
        """Return the number of time steps in an hour, a day, a week and a year, as far as a time step is shorter."""
        if self.unit == "month":
            return [12 // self.size] if 12 % self.size == 0 and self.size < 12 else []
        if self.unit == "working day":
            return [5, 261] if self.size == 1 else []
        if self.unit == "step":
            return []
        spans = (HOUR, DAY, WEEK, round(YEAR_DAYS * DAY))
        return [round(span / self.size) for span in spans if span >= 2 * self.size]

    def cycle_lengths(self) -> list[float]:
        """Return the number of time steps in each of CYCLES; 0 if a time step is too long for it or is a plain step."""
        if self.unit == "step":
            return [0.0, 0.0, 0.0]
        if self.unit == "month":
            return [0.0, 0.0, 12 / self.size if self.size < 12 else 0.0]
        if self.unit == "working day":
            return [0.0, 5 / self.size, 261 / self.size]
        spans = (DAY, WEEK, YEAR_DAYS * DAY)
        return [span / self.size if span >= 2 * self.size else 0.0 for span in spans]

    def calendar_features(self, positions: Integers) -> NDArray[np.float32]:
        """Return the sine and cosine of the phase in each of CYCLES, (N, 6); zeros where `cycle_lengths` is 0."""
        result = np.zeros((len(positions), 2 * len(CYCLES)), np.float32)
        if self.unit == "step":
            return result
        timestamps = self.timestamps(positions)
        years = timestamps.astype("datetime64[s]").astype("datetime64[Y]")
        seconds_of_year = timestamps - years.astype("datetime64[s]").astype(np.int64)
        phases = (
            timestamps % DAY / DAY,
            (timestamps // DAY + 3) % 7 / 7,  # 1970-01-01 was a Thursday
            seconds_of_year / (YEAR_DAYS * DAY),
        )
        for at, (phase, length) in enumerate(zip(phases, self.cycle_lengths(), strict=True)):
            if length:
                result[:, 2 * at] = np.sin(2 * np.pi * phase)
                result[:, 2 * at + 1] = np.cos(2 * np.pi * phase)
        return result


def _months(timestamps: Integers) -> Integers:
    """Return the months since January 1970."""
    return timestamps.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)


def _are_month_ends(timestamps: Integers) -> bool:
    next_months = (_months(timestamps) + 1).astype("datetime64[M]").astype("datetime64[s]").astype(np.int64)
    return bool(((timestamps + DAY) // DAY * DAY == next_months).all())


def infer_grid(timestamps: Integers, precision: int) -> TimeGrid:
    """Infer the grid of increasing timestamps. Its time step is the most common distance of two neighbors.

    The time step of a single timestamp is a year, a month or a day, depending on the precision, or 1 for plain steps.
    """
    if precision == 0:
        return TimeGrid("step", _most_common(np.diff(timestamps)), int(timestamps[0]), 0)
    days = timestamps.astype("datetime64[s]").astype("datetime64[D]")
    day_of_month = (days - days.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64)
    same_day_of_month = bool((day_of_month == day_of_month[0]).all())
    same_time_of_day = bool((timestamps % DAY == timestamps[0] % DAY).all())
    distances = np.diff(timestamps)
    month_ends = _are_month_ends(timestamps) and not timestamps[0] % DAY
    month_starts = same_day_of_month and same_time_of_day and day_of_month[0] == 0
    if len(timestamps) > 1 and distances.min() >= 28 * DAY and (month_starts or month_ends):
        months = _months(timestamps)
        size = _most_common(np.diff(months))
        return TimeGrid("month", size, int(months[0]), min(precision, 3), bool(month_ends and day_of_month[0]))
    if len(timestamps) >= 10 and precision <= 3 and _most_common(distances) == DAY:
        weekdays = (timestamps // DAY + 3) % 7
        if (weekdays < 5).all():
            return TimeGrid("working day", 1, int(timestamps[0] // DAY), 3)
    if precision <= 2 and len(timestamps) < 2:
        return TimeGrid("month", 12 if precision == 1 else 1, int(_months(timestamps)[0]), precision)
    return TimeGrid("second", _most_common(distances) if len(distances) else DAY, int(timestamps[0]), precision)


def _most_common(distances: Integers) -> int:
    """Return the most common distance; the shortest one if several are equally common; 1 if there is none."""
    counts = Counter(distances.tolist())
    return min(counts, key=lambda distance: (-counts[distance], distance)) if counts else 1
