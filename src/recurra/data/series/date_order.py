"""The order of day, month and year in dates such as 1/2/2020, decided by the cells of a column."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from recurra.data.series.grid import infer_grid
from recurra.data.series.times import DAY, full_year, ordinal
from recurra.errors import DataError

Triple = tuple[int, int, int]
ORDERS = {"day/month/year": (2, 1, 0), "month/day/year": (2, 0, 1), "year/month/day": (0, 1, 2)}
_FORMATS = {"day/month/year": "dmy", "month/day/year": "mdy", "year/month/day": "ymd"}
_CLEARER = 5  # An order is taken if its dates cover their time span this many times more densely than any other.


def arrange(numbers: Triple, order: str) -> Triple:
    """Return year, month and day of three numbers in some order."""
    year, month, day = (numbers[at] for at in ORDERS[order])
    return (full_year(year) if year < 100 else year), month, day


def decide_order(triples: Sequence[Triple], cells: Sequence[str], known: str = "") -> tuple[str, list[str]]:
    """Return one of ORDERS, and a message if the choice was not certain.

    An order in which more cells are dates is taken first; then one whose dates are in order and at regular distances where
    those of the others are not; then the known one. Raises DataError if several remain.
    """
    unique = list(dict.fromkeys(triples))
    days = {order: _days(unique, order) for order in ORDERS}
    counts = {order: sum(day is not None for day in found.values()) for order, found in days.items()}
    best = [order for order in ORDERS if counts[order] == max(counts.values()) > 0]
    if len(best) == 1:
        return best[0], []
    if not best:
        return known or "day/month/year", []
    plausible = _most_regular(best, days, triples)
    if len(plausible) == 1:
        example = cells[0]
        return plausible[0], [
            f"dates such as {example} are read as {plausible[0]}, in which the times are most regular"
        ]
    if known in best:
        return known, [f"dates such as {cells[0]} are read as {known}, as in the training data"]
    options = " or ".join(f"--time-format '{_strptime(cells[0], order)}'" for order in best)
    raise DataError(f"{cells[0]!r} could be {' or '.join(best)}, and no other row shows which; use {options}")


def _days(unique: Sequence[Triple], order: str) -> dict[Triple, int | None]:
    if order == "year/month/day" and any(numbers[2] > 31 for numbers in unique):
        return dict.fromkeys(unique)  # The last number is a year.
    return {numbers: ordinal(*arrange(numbers, order)) for numbers in unique}


def _most_regular(
    orders: Sequence[str], days: dict[str, dict[Triple, int | None]], triples: Sequence[Triple]
) -> list[str]:
    """Return the orders whose dates are clearly more regular than those of the others; all of them if none is."""
    coverage: dict[str, float] = {}
    for order in orders:
        sequence = np.array([day for one in triples if (day := days[order][one]) is not None], np.int64)
        unique = np.unique(sequence)
        if len(unique) < 3:
            return list(orders)
        grid = infer_grid(unique * DAY, 3)
        positions, off_grid = grid.positions(unique * DAY)
        regular = 1 - len(off_grid) / len(unique)
        changes = np.diff(sequence)
        changes = changes[changes != 0]
        in_order = max((changes > 0).mean(), (changes < 0).mean()) if len(changes) else 1.0
        coverage[order] = len(unique) / int(positions[-1] - positions[0] + 1) * regular * float(in_order) ** 4
    best = max(coverage, key=coverage.__getitem__)
    others = max((coverage[order] for order in orders if order != best), default=0.0)
    return [best] if coverage[best] >= _CLEARER * others else list(orders)


def _strptime(cell: str, order: str) -> str:
    """Return the format of strptime of a cell in some order."""
    match = re.match(r"(\d+)([-/.])(\d+)[-/.](\d+)(.*)", cell)
    if match is None:
        return "%d/%m/%Y"
    year = "%Y" if max(len(match[at]) for at in (1, 3, 4)) == 4 else "%y"
    codes = {"d": "%d", "m": "%m", "y": year}
    rest = match[5]
    clock = ""
    if colons := len(re.findall(r"[:.](?=\d\d)", rest)):
        half = " %p" if re.search("[ap]m", rest, re.IGNORECASE) else ""
        clock = rest[:1] + ":".join(["%I" if half else "%H", "%M", "%S"][: colons + 1]) + half
    return match[2].join(codes[code] for code in _FORMATS[order]) + clock
