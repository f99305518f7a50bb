"""Columns whose names are the time steps of a series: dates, or consecutive numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from recurra.data.series.times import scan

MIN_DATES, MIN_NUMBERED = 3, 10  # columns of values with such names
_NUMBERED = re.compile(r"(?P<prefix>.*?)(?P<number>\d+)")
_NOTE = re.compile(r"\s*\[.*\]$")  # of World Bank: 1960 [YR1960]
_YEAR = re.compile(r"[a-zA-Z]{0,2}(1[6-9]\d\d|20\d\d)")


class ValueColumns(NamedTuple):
    """The columns of the values of a row, their times as text, and whether these are dates."""

    columns: list[str]
    times: list[str]
    dated: bool


def value_columns(names: Sequence[str], *, dates: int = MIN_DATES, numbered: int = MIN_NUMBERED) -> ValueColumns | None:
    """Return the columns that are named by at least `dates` dates, or by at least `numbered` consecutive numbers; else None."""
    labels = [_NOTE.sub("", name) for name in names]
    years = {at: match[1] for at, label in enumerate(labels) if (match := _YEAR.fullmatch(label))}
    days = [at for at, label in enumerate(labels) if (one := scan(label)) is not None and one.precision > 1]
    run = _numbered_run(labels)
    used = days if len(days) >= len(years) else list(years) if len(run) <= len(years) else []
    if len(used) >= dates and used == list(range(used[0], used[-1] + 1)):
        return ValueColumns([names[at] for at in used], [years.get(at, labels[at]) for at in used], True)
    if len(run) < numbered:
        return None
    return ValueColumns([names[at] for at in run], [str(step) for step in range(len(run))], False)


def _numbered_run(labels: Sequence[str]) -> list[int]:
    """Return the indices of the longest run of labels with the same prefix and consecutive numbers."""
    best: list[int] = []
    current: list[int] = []
    for at, label in enumerate(labels):
        if current and _follows(labels[current[-1]], label):
            current.append(at)
        else:
            current = [at] if _NUMBERED.fullmatch(label) else []
        best = max(best, current, key=len)
    return best


def _follows(label: str, next_label: str) -> bool:
    one, other = _NUMBERED.fullmatch(label), _NUMBERED.fullmatch(next_label)
    return bool(one and other and one["prefix"] == other["prefix"] and int(other["number"]) == int(one["number"]) + 1)
