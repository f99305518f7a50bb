"""What a cell of a table of series says: text, a number, or that the value is missing."""

from __future__ import annotations

import math

from recurra.data.sources import columns
from recurra.data.sources.rows import Row

MISSING = {"", "na", "n/a", "#n/a", "nan", "null", "none", "-", "?"}


def cell(row: Row, column: str) -> str:
    """The text of a cell; of one that is not there, none."""
    return "" if (value := row.values.get(column)) is None else str(value)


def number(text: str) -> float | None:
    """The finite number that `text` spells, NaN for a missing value, None for anything else."""
    return math.nan if text.strip().lower() in MISSING else columns.number(text)
