"""Lines above the header of a table that are no rows: a title, a source, a date of the last change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

MAX_LINES = 10
MIN_CONSISTENT = 0.95  # share of the records after these lines that have the usual number of cells
MIN_WIDTH = 3  # cells of a row; a title of fewer cells could as well be a header with a name for all columns but one


def count_preamble(records: Sequence[Sequence[Any]], width: int) -> int:
    """Return the number of records before the table: the first ones, with at most half as many filled cells as a row has.

    Args:
        records: the first records.
        width: the usual number of cells.

    Example:
        >>> rows = [["land", "year", "value"], ["a", "2001", "1.5"], ["b", "2001", "2.5"]]
        >>> count_preamble([["Last updated", "2023-09-19"], *rows], 3), count_preamble([["Title", ""], *rows], 3)
        (0, 1)
    """
    filled = [sum(cell not in ("", None) for cell in record) for record in records[: MAX_LINES + 1]]
    first = next((at for at, count in enumerate(filled) if len(records[at]) == width and 2 * count > width), 0)
    if not 0 < first <= MAX_LINES or width < MIN_WIDTH:
        return 0
    if any(2 * count > width for count in filled[:first]):
        return 0
    rest = records[first:]
    consistent = sum(len(record) == width for record in rest) >= MIN_CONSISTENT * len(rest)
    return first if consistent and len(rest) > 1 else 0
