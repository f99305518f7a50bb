"""The times of a column: its notation, the order of day and month, and its time zone are decided for all cells together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.data.series import zones
from recurra.data.series.date_order import arrange, decide_order
from recurra.data.series.integer_times import NUMBER_FORMATS, integers, read_integers, read_number_format
from recurra.data.series.times import DAY, HOUR, SECOND, Scan, ordinal, parse_with_format, scan
from recurra.data.series.zones import Clock
from recurra.errors import DataError

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
NOT_A_TIME = "is not a time such as 2020-01-31 12:00; describe other formats with --time-format '%d/%m/%Y'"


@dataclass
class Times:
    """The times of N cells.

    stamps      (N,) timestamps in microseconds, or plain steps; 0 where a cell is not a time
    valid       (N,) whether a cell is a time
    precision   the highest precision: 0 plain steps, 1 year, 2 month, 3 day, 4 time of day
    precisions  (N,) the precision of each cell; None if all have the same one
    clock       notation and time zone of the cells
    order       the order of day, month and year in dates such as 1/2/2020; "" for other dates
    problem     why a cell that is not valid is not a time
    messages    decisions that the user may want to know
    """

    stamps: Integers
    valid: Flags
    precision: int
    clock: Clock = field(default_factory=Clock)
    order: str = ""
    problem: str = NOT_A_TIME
    messages: list[str] = field(default_factory=list)
    precisions: Integers | None = None

    def of_series(self, rows: Integers) -> Times:
        """Return the times with the precision of the series that has these rows."""
        return self if self.precisions is None else replace(self, precision=int(self.precisions[rows].max()))


def read_times(
    cells: Sequence[str],
    *,
    time_format: str | None = None,
    time_zone: str | None = None,
    known_order: str = "",
    groups: Sequence[Any] | None = None,
) -> Times:
    """Read the times of a column.

    cells         the cells
    time_format   a format of strptime, or one of NUMBER_FORMATS; None to detect the notation
    time_zone     the name of the time zone of cells that name none, and of the results
    known_order   the order of day, month and year of an earlier file, if these cells do not show it
    groups        the series of each cell. Series may differ in precision, such as months and years, and the second of two
                  equal local times of a series is that after the end of daylight saving time

    Raises DataError if several orders of day and month are possible.

    >>> read_times(["19700102", "19700103"]).stamps.tolist() == [DAY, 2 * DAY]
    True
    """
    cells = [cell.strip() for cell in cells]
    times, offsets = _read(cells, time_format, known_order, groups)
    if not times.valid.any():
        return times
    if time_zone is None:
        return times if offsets is None else _with_offsets(times, offsets, cells)
    if times.precision < 4:
        raise DataError("time_zone requires times with a time of day; remove --time-zone")
    return _in_zone(times, offsets, time_zone, groups)


def _read(
    cells: Sequence[str], time_format: str | None, known_order: str, groups: Sequence[Any] | None
) -> tuple[Times, Integers | None]:
    """Return the times as written, and their offsets from UTC in seconds if the cells name them."""
    if time_format in NUMBER_FORMATS:
        stamps = read_number_format(cells, str(time_format))
        times = _times(
            stamps, 4 if time_format != "excel" else 3, problem=f"is not a number, as {time_format} requires"
        )
        if time_format == "excel":
            times.precision = 4 if (times.stamps % DAY).any() else 3
            return times, None
        return times, np.zeros(len(cells), np.int64)
    if time_format is not None:
        return _formatted(cells, time_format)
    if (whole := _integer_cells(cells)) is not None:
        return whole
    return _scanned(cells, known_order, groups)


def _times(stamps: Sequence[int | None], precision: int, **values: Any) -> Times:
    valid = np.array([stamp is not None for stamp in stamps], np.bool_)
    return Times(np.array([stamp or 0 for stamp in stamps], np.int64), valid, precision, **values)


def _formatted(cells: Sequence[str], time_format: str) -> tuple[Times, Integers | None]:
    parsed = [parse_with_format(cell, time_format) for cell in cells]
    has_time, has_day = (
        any(f"%{code}" in time_format for code in "HIcXsTRr"),
        any(f"%{code}" in time_format for code in "djcxDFaAuw"),
    )
    precision = 4 if has_time else 3 if has_day else 2 if any(f"%{code}" in time_format for code in "mbB") else 1
    problem = f"does not have the format {time_format!r}"
    times = _times([one and one[0] for one in parsed], precision, problem=problem)
    offsets = [one[1] for one in parsed if one]
    if not offsets or offsets[0] is None:
        return times, None
    return times, np.array([one[1] if one and one[1] is not None else 0 for one in parsed], np.int64)


def _integer_cells(cells: Sequence[str]) -> tuple[Times, Integers | None] | None:
    """Read a column in which most cells are integers; None for other columns."""
    mask = np.array([integers([cell]) is not None for cell in cells], np.bool_)
    if not mask.any() or 2 * int(mask.sum()) < len(cells):
        return None
    found = read_integers([cell for cell, use in zip(cells, mask, strict=True) if use])
    if found is None:
        return None
    times = Times(
        np.zeros(len(cells), np.int64), mask, found.precision, problem="is not an integer, as the other times are"
    )
    times.stamps[mask] = found.stamps
    if found.precision > 1:
        times.messages.append(f"times such as {cells[int(mask.argmax())]} are read as {found.name}")
    return times, np.zeros(len(cells), np.int64) if found.utc else None


def _scanned(cells: Sequence[str], known_order: str, groups: Sequence[Any] | None) -> tuple[Times, Integers | None]:
    """Read dates and times as text. Cells of a rare notation are not valid, since the notation of the others decides."""
    scans = [scan(cell) for cell in cells]
    found = Counter((one.notation, one.offset is not None) for one in scans if one)
    if not found:
        return _times([None] * len(cells), 3), None
    notation, aware = found.most_common(1)[0][0]
    precision = max(one.precision for one in scans if one and one.notation == notation)
    series = [None] * len(cells) if groups is None else groups
    by_series: dict[Any, int] = {}
    for one, name in zip(scans, series, strict=True):
        if one and one.notation == notation:
            by_series[name] = max(by_series.get(name, 0), min(one.precision, 3))

    def is_usual(one: Scan, name: Any) -> bool:
        return (one.notation, one.offset is not None, min(one.precision, 3)) == (notation, aware, by_series[name])

    used = [
        one if one and one.notation == notation and is_usual(one, name) else None
        for one, name in zip(scans, series, strict=True)
    ]
    messages: list[str] = []
    order = ""
    if notation == "triple":
        order, messages = decide_order([one.numbers for one in used if one], cells, known_order)
    stamps = [one and _stamp(one, order) for one in used]
    name = notation if notation in ("quarter", "week") else ""
    times = _times(stamps, precision, clock=Clock(name), order=order, messages=messages)
    if len(set(by_series.values())) > 1:
        times.precisions = np.array([one.precision if one else 0 for one in used], np.int64)
    if order and not times.valid.all():
        times.problem = f"is not a time in the order {order} of the other rows; set another with --time-format"
    elif not times.valid.all() and any(scans[at] for at in np.flatnonzero(~times.valid)):
        times.problem = "is not written like most of the times"
    if not aware:
        return times, None
    return times, np.array([one.offset if one and one.offset is not None else 0 for one in used], np.int64)


def _stamp(one: Scan, order: str) -> int | None:
    numbers = arrange(one.numbers, order) if order else one.numbers
    days = ordinal(*numbers)
    return None if days is None else days * DAY + one.time


def _with_offsets(times: Times, offsets: Integers, cells: Sequence[str]) -> Times:
    """Return local times with the offset from UTC of the last one.

    Where the offset changes, they are local times with their own offsets only if the time step is a day or longer.
    """
    utc = times.stamps - offsets * SECOND
    limits = np.iinfo(np.int64)
    last = int(offsets[int(np.where(times.valid, utc, limits.min).argmax())])
    zone = "Z" if cells[int(times.valid.argmax())][-1:] in "zZ" else zones.offset_text(last)
    clock = replace(times.clock, zone=zone)
    if (offsets[times.valid] == last).all():
        return replace(times, clock=clock)
    other = next(offset for offset in offsets[times.valid].tolist() if offset != last)
    note = (
        f"the offset from UTC changes between {zones.offset_text(other)} and {zone}; results have {zone}, as the last row. "
        "To follow the changes, name the zone, for example --time-zone Europe/Berlin"
    )
    stamps = times.stamps if _daily(utc[times.valid]) else np.where(times.valid, utc + last * SECOND, 0)
    return replace(times, stamps=stamps, clock=clock, messages=[*times.messages, note])


def _in_zone(times: Times, offsets: Integers | None, name: str, groups: Sequence[Any] | None) -> Times:
    """Return times of a named zone: in UTC, or local times if the time step is a day or longer."""
    zones.zone_info(name)
    valid, problem = times.valid, times.problem
    if offsets is not None:
        utc = times.stamps - offsets * SECOND
    else:
        utc, exists = zones.to_utc(times.stamps, name, groups)
        if (times.valid & ~exists).any():
            valid, problem = times.valid & exists, f"does not exist in {name}, where the clock is turned forward"
    wall = _daily(utc[valid])
    stamps = np.where(valid, zones.to_local(utc, name), 0) if wall else utc
    return replace(times, stamps=stamps, valid=valid, clock=replace(times.clock, zone=name, wall=wall), problem=problem)


def _daily(utc: Integers) -> bool:
    """Whether the most common time step is about a day or longer."""
    steps = np.diff(np.unique(utc))
    if not len(steps):
        return False
    values, counts = np.unique(steps, return_counts=True)
    return bool(values[counts.argmax()] >= 23 * HOUR)
