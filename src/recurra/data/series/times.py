"""Time stamps: read, laid on a regular grid, written again, and seen as places in the day, the week and the year.

A moment is an integer: seconds since 1970 (UTC), or the number itself where a column counts steps. A `Grid` is what turns
moments into positions 0, 1, 2, ... of equal steps: so many seconds, working days, months, or plain steps.
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

_STAMP = re.compile(
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
def read_stamp(cell: str, form: str | None = None) -> tuple[int, int] | None:
    """(seconds since 1970, digits of a date that it has: 1 year, 2 month, 3 day, 4 time of day), or None.

    Without `form` (as of strptime) what begins with the year is read: 2020, 2020-01, 2020-01-31, 2020-01-31T12:00:00Z.
    """
    cell = cell.strip()
    try:
        if form is not None:
            moment = datetime.strptime(cell, form)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return _seconds(moment), 4 if re.search("%[HIcXs]", form) else 3 if "%d" in form or "%j" in form else 2
        found = _STAMP.fullmatch(cell)
        if found is None:
            return None
        year, month, day, hour, minute, second, zone = found.groups()
        moment = datetime(int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0),
                          tzinfo=UTC)  # fmt: skip
        if zone and zone != "Z":
            sign = -1 if zone[0] == "-" else 1
            moment -= sign * timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
        return _seconds(moment), 4 if hour else 3 if day else 2 if month else 1
    except ValueError:
        return None


def _seconds(moment: datetime) -> int:
    return round((moment - _EPOCH).total_seconds())


def read_step(cell: str) -> int | None:
    """The whole number that a cell spells, or None."""
    return int(float(cell)) if _NUMBER.fullmatch(cell.strip()) else None


def read_column(cells: Sequence[str], form: str | None = None) -> tuple[Integers, int, int | None]:
    """(moments, rank, place of the first cell that cannot be read or None). Rank 0 means plain steps, else see read_stamp.

    Whole numbers are years where all have four digits, else steps.
    """
    numbers = form is None and all(_NUMBER.fullmatch(cell.strip()) for cell in cells)
    if numbers and not all(_YEAR.fullmatch(cell.strip()) for cell in cells):
        return np.array([read_step(cell) for cell in cells], np.int64), 0, None
    read = [read_stamp(cell, form) for cell in cells]
    bad = next((at for at, one in enumerate(read) if one is None), None)
    known = [one for one in read if one is not None]
    moments = np.array([one[0] for one in known], np.int64)
    return moments, max((one[1] for one in known), default=0), bad


@dataclass(frozen=True)
class Grid:
    """Equal steps in time. `unit` is step, second, working day or month; `size` of them are a step; `rank` as above.

    `base` is the moment (seconds, steps) or month that has position 0; `month_end` that stamps are last days of months.
    """

    unit: str
    size: int
    base: int = 0
    rank: int = 4
    month_end: bool = False

    @property
    def name(self) -> str:
        """`every hour`, `every 15 minutes`, `every month`."""
        if self.unit == "second":
            seconds, word = next((s, w) for s, w in _UNITS if self.size % s == 0)
            count = self.size // seconds
        else:
            count, word = self.size, f"{self.unit}s"
            if self.unit == "month" and count % 12 == 0:
                count, word = count // 12, "years"
        return f"every {word.removesuffix('s')}" if count == 1 else f"every {count} {word}"

    def positions(self, moments: Integers) -> tuple[Integers, Integers]:
        """(positions, places of moments that lie between two steps)."""
        if self.unit == "working day":
            days = moments // DAY
            positions = np.busday_count(np.datetime64(self.base, "D"), days.astype("datetime64[D]")).astype(np.int64)
            on = np.is_busday(days.astype("datetime64[D]")) & (moments % DAY == 0)
            return positions, np.flatnonzero(~on)
        units = _months(moments) if self.unit == "month" else moments
        positions, rest = np.divmod(units - self.base, self.size)
        return positions.astype(np.int64), np.flatnonzero(rest)

    def moments(self, positions: Integers) -> Integers:
        """The inverse of `positions`."""
        if self.unit == "working day":
            first = np.busday_offset(np.datetime64(self.base, "D"), positions, roll="forward")
            return first.astype("datetime64[D]").astype(np.int64) * DAY
        units = self.base + np.asarray(positions, np.int64) * self.size
        if self.unit != "month":
            return units
        months = (units + int(self.month_end)).astype("datetime64[M]").astype("datetime64[s]").astype(np.int64)
        return np.asarray(months - DAY * int(self.month_end), np.int64)

    def stamps(self, positions: Integers) -> list[str]:
        """As text, with as many digits as the file's stamps have."""
        moments = self.moments(positions)
        if self.unit == "step":
            return [str(moment) for moment in moments.tolist()]
        unit = {1: "Y", 2: "M", 3: "D"}.get(self.rank, "s")
        texts = np.datetime_as_string(moments.astype("datetime64[s]").astype(f"datetime64[{unit}]"))
        return [text.replace("T", " ") for text in texts.tolist()]

    def season_candidates(self) -> list[int]:
        """Steps in a day, a week and a year, where a step is shorter."""
        if self.unit == "month":
            return [12 // self.size] if 12 % self.size == 0 and self.size < 12 else []
        if self.unit == "working day":
            return [5, 261] if self.size == 1 else []
        if self.unit == "step":
            return []
        spans = (HOUR, DAY, WEEK, round(YEAR_DAYS * DAY))
        return [round(span / self.size) for span in spans if span >= 2 * self.size]

    def cycles(self) -> list[float]:
        """The steps in each of CYCLES; 0 for one that a step is too long for, or that plain steps do not have."""
        if self.unit == "step":
            return [0.0, 0.0, 0.0]
        if self.unit == "month":
            return [0.0, 0.0, 12 / self.size if self.size < 12 else 0.0]
        if self.unit == "working day":
            return [0.0, 5 / self.size, 261 / self.size]
        spans = (DAY, WEEK, YEAR_DAYS * DAY)
        return [span / self.size if span >= 2 * self.size else 0.0 for span in spans]

    def calendar(self, positions: Integers) -> NDArray[np.float32]:
        """Sine and cosine of the place in each of CYCLES, (N, 6); zeros where `cycles` has a zero."""
        result = np.zeros((len(positions), 2 * len(CYCLES)), np.float32)
        if self.unit == "step":
            return result
        moments = self.moments(positions)
        years = moments.astype("datetime64[s]").astype("datetime64[Y]")
        into_year = moments - years.astype("datetime64[s]").astype(np.int64)
        places = (
            moments % DAY / DAY,
            (moments // DAY + 3) % 7 / 7,
            into_year / (YEAR_DAYS * DAY),
        )  # 1970 began on Thursday
        for at, (place, steps) in enumerate(zip(places, self.cycles(), strict=True)):
            if steps:
                result[:, 2 * at] = np.sin(2 * np.pi * place)
                result[:, 2 * at + 1] = np.cos(2 * np.pi * place)
        return result


def _months(moments: Integers) -> Integers:
    return moments.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)


def _month_ends(moments: Integers) -> bool:
    return bool(((moments + DAY) // DAY * DAY == (_months(moments) + 1).astype("datetime64[M]").astype("datetime64[s]")
                 .astype(np.int64)).all())  # fmt: skip


def find_grid(moments: Integers, rank: int) -> Grid:
    """The grid of rising moments: the step that most neighbours are apart. One moment alone makes steps of one day, or 1."""
    if rank == 0:
        return Grid("step", _usual(np.diff(moments)), int(moments[0]), 0)
    days = moments.astype("datetime64[s]").astype("datetime64[D]")
    of_month = (days - days.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64)
    same = bool((of_month == of_month[0]).all()) and bool((moments % DAY == moments[0] % DAY).all())
    apart = np.diff(moments)
    ends = _month_ends(moments) and not moments[0] % DAY
    if len(moments) > 1 and apart.min() >= 28 * DAY and ((same and of_month[0] == 0) or ends):
        months = _months(moments)
        return Grid("month", _usual(np.diff(months)), int(months[0]), min(rank, 3), bool(ends and of_month[0]))
    if len(moments) > 1 and rank <= 3 and _usual(apart) == DAY and len(moments) >= 10:
        weekdays = (moments // DAY + 3) % 7
        if (weekdays < 5).all():
            return Grid("working day", 1, int(moments[0] // DAY), 3)
    if rank <= 2 and len(moments) < 2:
        return Grid("month", 12 if rank == 1 else 1, int(_months(moments)[0]), rank)
    return Grid("second", _usual(apart) if len(apart) else DAY, int(moments[0]), rank)


def _usual(apart: Integers) -> int:
    """The commonest distance; of equally common ones the shortest."""
    counts = Counter(apart.tolist())
    return min(counts, key=lambda distance: (-counts[distance], distance)) if counts else 1
