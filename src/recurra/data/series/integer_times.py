"""Integers that are times: years, compact dates such as 20200131, and seconds since 1970 (epochs)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.data.series.times import DAY, HOUR, MINUTE, SECOND, ordinal

Integers = NDArray[np.int64]

EPOCH_FORMATS = {"epoch": SECOND, "epoch_s": SECOND, "epoch_ms": 1000, "epoch_us": 1, "epoch_ns": 0}
EXCEL = "excel"  # days since 1899-12-30
NUMBER_FORMATS = (*EPOCH_FORMATS, EXCEL)
_EXCEL_EPOCH = -25_569
_INTEGER = re.compile(r"[+-]?\d+(?:\.0*)?")
_DECIMAL = re.compile(r"[+-]?\d+(?:\.\d*)?(?:[eE]\+?\d+)?")
_YEARS = (1000, 2999)
_COMPACT_YEARS = (1600, 2199)
_EPOCH_YEARS = (1973, 2100)
_UNITS = (("seconds", SECOND, 1), ("milliseconds", 1000, 1), ("microseconds", 1, 1), ("nanoseconds", 1, 1000))


class IntegerTimes(NamedTuple):
    """The times of integer cells.

    stamps      timestamps in microseconds; plain steps are the integers
    precision   0 for plain steps, 1 year, 2 month, 3 day, 4 time of day
    utc         whether the timestamps are in UTC, as epochs are
    name        how the integers were read, for a message
    """

    stamps: Integers
    precision: int
    utc: bool
    name: str


def integers(cells: Sequence[str]) -> Integers | None:
    """Return the integers in cells such as 20, 20.0 and 1.6e9; None if a cell is not an integer."""
    if all(_INTEGER.fullmatch(cell) for cell in cells):
        try:
            return np.array([int(cell.split(".")[0]) for cell in cells], np.int64)
        except OverflowError:
            return None
    if all(_DECIMAL.fullmatch(cell) and abs(float(cell)) < 2**63 and float(cell).is_integer() for cell in cells):
        return np.array([int(float(cell)) for cell in cells], np.int64)
    return None


def read_integers(cells: Sequence[str]) -> IntegerTimes | None:
    """Read the integer cells of a column as years, compact dates, epochs or plain steps; None if a cell is not an integer."""
    values = integers(cells)
    if values is None or not len(values):
        return None
    if values.min() >= _YEARS[0] and values.max() <= _YEARS[1]:
        stamps = np.array([(ordinal(year, 1, 1) or 0) * DAY for year in values.tolist()], np.int64)
        return IntegerTimes(stamps, 1, False, "years")
    return read_compact(values) or read_epochs(values) or IntegerTimes(values, 0, False, "numbers of time steps")


def read_compact(values: Integers) -> IntegerTimes | None:
    """Read 202001, 20200131, 2020013112, 202001311200 or 20200131120000; None if a value is no such date."""
    digits = len(str(int(values.max()))) if len(values) else 0
    if digits not in (6, 8, 10, 12, 14) or len(str(int(values.min()))) != digits:
        return None
    name = "compact dates YYYYMMDDHHMMSS"[: len("compact dates ") + digits]
    unique, back = np.unique(values, return_inverse=True)
    stamps = np.empty(len(unique), np.int64)
    for at, value in enumerate(unique.tolist()):
        text = str(value)
        year, month, day = int(text[:4]), int(text[4:6]), int(text[6:8] or 1)
        hour, minute, second = (int(text[begin : begin + 2] or 0) for begin in (8, 10, 12))
        days = ordinal(year, month, day)
        if days is None or not _COMPACT_YEARS[0] <= year <= _COMPACT_YEARS[1] or minute > 59 or second > 59:
            return None
        if hour > 24 or (hour == 24 and (minute or second)):
            return None
        stamps[at] = days * DAY + hour * HOUR + minute * MINUTE + second * SECOND
    return IntegerTimes(stamps[back], {6: 2, 8: 3}.get(digits, 4), False, name)


def read_epochs(values: Integers) -> IntegerTimes | None:
    """Read seconds, milliseconds, microseconds or nanoseconds since 1970; None if a value is outside of 1973 to 2100."""
    first, last = ((ordinal(year, 1, 1) or 0) * DAY for year in _EPOCH_YEARS)
    for name, multiple, divisor in _UNITS:
        low, high = first // multiple * divisor, last // multiple * divisor
        if low <= values.min() and values.max() < high:
            return IntegerTimes(values * multiple // divisor, 4, True, f"{name} since 1970 (UTC)")
    return None


def read_number_format(cells: Sequence[str], time_format: str) -> list[int | None]:
    """Return the timestamps of numbers in one of NUMBER_FORMATS; None for a cell that is not a number."""
    stamps: list[int | None] = []
    for cell in cells:
        if not _DECIMAL.fullmatch(cell):
            stamps.append(None)
            continue
        whole = int(cell) if cell.lstrip("+-").isdigit() else None
        if time_format == EXCEL:
            stamps.append(_EXCEL_EPOCH * DAY + round((float(cell) if whole is None else whole) * DAY))
        elif multiple := EPOCH_FORMATS[time_format]:
            stamps.append(whole * multiple if whole is not None else round(float(cell) * multiple))
        else:
            stamps.append((whole if whole is not None else int(float(cell))) // 1000)
    return stamps


def is_surely_time(cells: Sequence[str]) -> bool:
    """Whether integers under any name are times: compact dates, or epochs in order and at mostly equal distances.

    Compact months need a year's end, because other numbers of six digits may end in 01 to 12 as well.
    """
    values = integers(cells)
    if values is None or len(values) < 3 or len(np.unique(values)) < 3:
        return False
    compact = read_compact(values)
    if compact is not None:
        years = len(np.unique(values // 100))
        return compact.precision != 2 or (years > 1 and len(np.unique(values)) >= 6)
    steps = np.diff(np.unique(values))
    epochs = read_epochs(values)
    regular = np.unique(steps, return_counts=True)[1].max() * 2 >= len(steps)
    changes = np.diff(values)
    ordered = bool((changes >= 0).all() or (changes <= 0).all())
    return epochs is not None and bool(regular) and ordered and bool(steps.min() > 1)
