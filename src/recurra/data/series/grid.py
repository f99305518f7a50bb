"""Regular time grids: positions of timestamps, their text, and calendar features.

A `TimeGrid` maps timestamps to positions 0, 1, 2, ... of equal time steps, which are a number of microseconds, working days,
months, or plain steps. Timestamps are those of `read_times`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recurra.data.series import zones
from recurra.data.series.times import DAY, HOUR, MINUTE, SECOND, WEEK
from recurra.data.series.zones import Clock

Integers = NDArray[np.int64]
YEAR_DAYS = 365.2425
CYCLES = ("hour of the day", "day of the week", "day of the year")
_UNITS = ((WEEK, "weeks"), (DAY, "days"), (HOUR, "hours"), (MINUTE, "minutes"), (SECOND, "seconds"), (1000, "milliseconds"),
          (1, "microseconds"))  # fmt: skip
_DEFAULT_CLOCK = Clock()
_WEEK_OFFSET = 3  # 1970-01-01 was a Thursday


@dataclass(frozen=True)
class TimeGrid:
    """A regular time grid.

    unit        "step", "time" (microseconds), "working day" or "month"
    size        number of units in a time step
    base        the timestamp (step or time), day (working day) or month (month) at position 0
    precision   precision of formatted times: 0 plain steps, 1 year, 2 month, 3 day, 4 time of day
    month_end   whether times are the last days of months
    phase       microseconds from the beginning of a month or working day to its timestamp
    clock       notation and time zone of formatted times

    >>> TimeGrid("time", HOUR).format([0, 1])
    ['1970-01-01 00:00:00', '1970-01-01 01:00:00']
    """

    unit: str
    size: int
    base: int = 0
    precision: int = 4
    month_end: bool = False
    phase: int = 0
    clock: Clock = _DEFAULT_CLOCK

    @property
    def name(self) -> str:
        """The time step as text: `every hour`, `every 15 minutes`, `every month`."""
        if self.unit == "time":
            length, word = next((s, w) for s, w in _UNITS if self.size % s == 0)
            count = self.size // length
        else:
            count, word = self.size, f"{self.unit}s"
            if self.unit == "month" and count % 12 == 0:
                count, word = count // 12, "years"
        return f"every {word.removesuffix('s')}" if count == 1 else f"every {count} {word}"

    def positions(self, timestamps: Integers) -> tuple[Integers, Integers]:
        """Return (positions, indices of the timestamps that are not on the grid)."""
        if self.unit == "working day":
            days, time = np.divmod(timestamps, DAY)
            dates = days.astype("datetime64[D]")
            positions = np.busday_count(np.datetime64(self.base, "D"), dates).astype(np.int64)
            return positions, np.flatnonzero(~(np.is_busday(dates) & (time == self.phase)))
        units = _months(timestamps) if self.unit == "month" else timestamps
        positions, rest = np.divmod(units - self.base, self.size)
        return positions.astype(np.int64), np.flatnonzero(rest)

    def timestamps(self, positions: Integers) -> Integers:
        """Return the timestamps of positions, the inverse of `positions`."""
        if self.unit == "working day":
            first = np.busday_offset(np.datetime64(self.base, "D"), positions, roll="forward")
            return first.astype("datetime64[D]").astype(np.int64) * DAY + self.phase
        units = self.base + np.asarray(positions, np.int64) * self.size
        if self.unit != "month":
            return units
        months = _month_begins(units + int(self.month_end))
        return np.asarray(months - DAY * int(self.month_end) + self.phase, np.int64)

    def format(self, positions: Integers | Sequence[int]) -> list[str]:
        """Return the times of positions as text with the grid's precision, notation and zone."""
        timestamps = self.timestamps(np.asarray(positions, np.int64))
        if self.unit == "step":
            return [str(timestamp) for timestamp in timestamps.tolist()]
        local = timestamps if self.clock.wall else zones.to_local(timestamps, self.clock.zone)
        if self.clock.notation == "week":
            weeks = [date.isocalendar() for date in local.astype("datetime64[us]").astype("datetime64[D]").tolist()]
            return [f"{year}-W{week:02}" + ("" if self.size % WEEK == 0 else f"-{day}") for year, week, day in weeks]
        fraction = "s" if not (self.size % SECOND or self.base % SECOND) or self.unit != "time" else "ms"
        fraction = "us" if fraction == "ms" and (self.size % 1000 or self.base % 1000) else fraction
        unit = {1: "Y", 2: "M", 3: "D"}.get(self.precision, fraction)
        texts = np.datetime_as_string(local.astype("datetime64[us]").astype(f"datetime64[{unit}]")).tolist()
        if self.clock.notation == "quarter":
            return [f"{text[:4]}Q{(int(text[5:7]) + 2) // 3}" for text in texts]
        suffixes = self._suffixes(timestamps) if self.precision == 4 else [""] * len(texts)
        return [text.replace("T", " ") + suffix for text, suffix in zip(texts, suffixes, strict=True)]

    def _suffixes(self, timestamps: Integers) -> list[str]:
        """Return the offset from UTC of each timestamp as text."""
        if not zones.is_named(self.clock.zone):
            return [self.clock.zone] * len(timestamps)
        if self.clock.wall:
            return [zones.offset_text(zones.wall_offsets(stamp, self.clock.zone)[0]) for stamp in timestamps.tolist()]
        return [zones.offset_text(zones.utc_offset(stamp, self.clock.zone)) for stamp in timestamps.tolist()]

    def stamps_of(self, other: TimeGrid, positions: Integers) -> Integers:
        """Return the timestamps of positions of another grid on the clock of this one; their offsets from UTC may differ."""
        stamps = other.timestamps(positions)
        if self.unit != "time" or self.size >= 23 * HOUR or not (self.clock.zone and other.clock.zone):
            return stamps
        if not other.clock.wall and self.clock.wall:
            return stamps + zones.offset_seconds(self.clock.zone) * SECOND
        if not self.clock.wall and other.clock.wall:
            return stamps - zones.offset_seconds(other.clock.zone) * SECOND
        if self.clock.wall:
            return stamps + (zones.offset_seconds(self.clock.zone) - zones.offset_seconds(other.clock.zone)) * SECOND
        return stamps

    # the calendar --------------------------------------------------------------------------------------------------
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
        if not self.clock.wall:
            timestamps = zones.to_local(timestamps, self.clock.zone)
        years = timestamps.astype("datetime64[us]").astype("datetime64[Y]")
        time_of_year = timestamps - years.astype("datetime64[us]").astype(np.int64)
        phases = (
            timestamps % DAY / DAY,
            (timestamps // DAY + _WEEK_OFFSET) % 7 / 7,
            time_of_year / (YEAR_DAYS * DAY),
        )
        for at, (phase, length) in enumerate(zip(phases, self.cycle_lengths(), strict=True)):
            if length:
                result[:, 2 * at] = np.sin(2 * np.pi * phase)
                result[:, 2 * at + 1] = np.cos(2 * np.pi * phase)
        return result


def _months(timestamps: Integers) -> Integers:
    """Return the months since January 1970."""
    return timestamps.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)


def _month_begins(months: Integers) -> Integers:
    return np.asarray(months.astype("datetime64[M]").astype("datetime64[us]").astype(np.int64), np.int64)


def _are_month_ends(timestamps: Integers) -> bool:
    next_months = _month_begins(_months(timestamps) + 1)
    return bool(((timestamps + DAY) // DAY * DAY == next_months).all())


def infer_grid(timestamps: Integers, precision: int, clock: Clock = _DEFAULT_CLOCK) -> TimeGrid:
    """Infer the grid of increasing timestamps. Its time step is the most common distance of two neighbours.

    The time step of a single timestamp is a year, a quarter, a month, a week or a day, depending on precision and notation, or
    1 for plain steps.
    """
    first = int(timestamps[0])
    if precision == 0:
        return TimeGrid("step", most_common(np.diff(timestamps)), first, 0)
    if len(timestamps) < 2:
        return _grid_of_one(first, precision, clock)
    distances, months = np.diff(timestamps), _months(timestamps)
    phases, times = timestamps - _month_begins(months), timestamps % DAY
    same_time = bool((times == times[0]).all())
    if clock.wall and distances.min() >= 28 * DAY:
        size, month = most_common(np.diff(months)), int(months[0])
        if same_time and phases[0] >= DAY and _are_month_ends(timestamps):
            return TimeGrid("month", size, month, precision, True, int(times[0]), clock)
        if (phases == phases[0]).all():
            return TimeGrid("month", size, month, precision, False, int(phases[0]), clock)
    size = most_common(distances)
    if clock.wall and len(timestamps) >= 10 and same_time and size == DAY and _are_working_days(timestamps):
        return TimeGrid("working day", 1, first // DAY, precision, False, int(times[0]), clock)
    return TimeGrid("time", size, first, precision, clock=clock)


def _are_working_days(timestamps: Integers) -> bool:
    return bool(((timestamps // DAY + _WEEK_OFFSET) % 7 < 5).all())


def _grid_of_one(timestamp: int, precision: int, clock: Clock) -> TimeGrid:
    month = int(_months(np.array([timestamp]))[0])
    if precision <= 2 or clock.notation == "quarter":
        size = 3 if clock.notation == "quarter" else 12 if precision == 1 else 1
        return TimeGrid("month", size, month, precision, clock=clock)
    return TimeGrid("time", WEEK if clock.notation == "week" else DAY, timestamp, precision, clock=clock)


def most_common(distances: Integers) -> int:
    """Return the most common distance; the shortest one if several are equally common; 1 if there is none."""
    counts = Counter(distances.tolist())
    return min(counts, key=lambda distance: (-counts[distance], distance)) if counts else 1
