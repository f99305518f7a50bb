"""Time zones of timestamps: fixed offsets from UTC, and named zones with daylight saving time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
from numpy.typing import NDArray

from recurra.data.series.times import SECOND
from recurra.errors import SettingError, near

Integers = NDArray[np.int64]
_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True)
class Clock:
    """How times are written, and what timestamps mean.

    notation   "quarter" or "week" for times such as 2020Q1 and 2020-W05; "" for dates
    zone       "" if the times name no time zone; "Z", an offset such as "+08:00", or the name of a zone
    wall       whether timestamps are local times; with the name of a zone and time steps below a day they are in UTC
    """

    notation: str = ""
    zone: str = ""
    wall: bool = True


@lru_cache
def zone_info(name: str) -> ZoneInfo:
    """Return a time zone by its name, such as Europe/Berlin. Raises SettingError for an unknown name."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        known = sorted(available_timezones())
        hint = near(name, known) if known else "this system has no time zones; install the package tzdata"
        raise SettingError(f"unknown time zone {name!r}; expected a name such as Europe/Berlin; {hint}") from None


def is_named(zone: str) -> bool:
    """Whether a zone has a name, and is not absent or a fixed offset."""
    return zone not in ("", "Z") and zone[0] not in "+-"


def offset_text(seconds: int) -> str:
    """Return an offset from UTC as text.

    >>> offset_text(-19800)
    '-05:30'
    """
    sign, minutes = "-" if seconds < 0 else "+", abs(seconds) // 60
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}"


def offset_seconds(zone: str) -> int:
    """Return the offset from UTC, in seconds, of a zone such as +08:00; 0 for Z and for no zone."""
    if zone in ("", "Z"):
        return 0
    seconds = int(zone[1:3]) * 3600 + int(zone[4:6]) * 60
    return -seconds if zone[0] == "-" else seconds


@lru_cache(maxsize=1 << 17)
def utc_offset(utc: int, name: str) -> int:
    """Return the offset from UTC, in seconds, at a timestamp in UTC."""
    time = (_EPOCH + timedelta(microseconds=utc)).replace(tzinfo=UTC).astimezone(zone_info(name))
    return round((time.utcoffset() or timedelta()).total_seconds())


@lru_cache(maxsize=1 << 17)
def wall_offsets(local: int, name: str) -> tuple[int, int]:
    """Return the offsets from UTC, in seconds, of a local time; they differ where the clock is turned back or forward."""
    zone, time = zone_info(name), _EPOCH + timedelta(microseconds=local)
    first, second = (time.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta() for fold in (0, 1))
    return round(first.total_seconds()), round(second.total_seconds())


def to_utc(local: Integers, name: str, groups: Sequence[Any] | None = None) -> tuple[Integers, NDArray[np.bool_]]:
    """Convert local times to UTC. Return them and whether each time exists; the clock skips an hour in spring.

    Where the clock is turned back, the first of two equal times of a series is the earlier one, in ascending order.
    """
    utc, exists = local.copy(), np.ones(len(local), np.bool_)
    seen: Counter[Any] = Counter()
    descending = len(local) > 1 and local[0] > local[-1]
    for at in range(len(local) - 1, -1, -1) if descending else range(len(local)):
        stamp = int(local[at])
        first, second = wall_offsets(stamp, name)
        offset = first
        if first > second:  # The clock is turned back: the time occurs twice.
            key = (stamp, groups[at] if groups is not None else None)
            offset = second if seen[key] else first
            seen[key] += 1
        elif first < second:
            exists[at] = False
        utc[at] = stamp - offset * SECOND
    return utc, exists


def to_local(utc: Integers, name: str) -> Integers:
    """Convert timestamps in UTC to local times."""
    offsets = np.array([utc_offset(stamp, name) for stamp in utc.tolist()], np.int64)
    return utc + offsets * SECOND
