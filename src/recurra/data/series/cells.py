"""The values of the cells of a table of time series: text, a number, or a missing value."""

from __future__ import annotations

import math

from recurra.data.sources import columns
from recurra.data.sources.rows import Row

MISSING = {"", "na", "n/a", "#n/a", "nan", "null", "none", "-", "?"}


def cell(row: Row, column: str) -> str:
    """Return the text of a cell. The text of an absent cell is empty."""
    return "" if (value := row.values.get(column)) is None else str(value)


def number(text: str) -> float | None:
    """Parse a cell as a finite number. Return NaN for a missing value and None for any other text."""
    return math.nan if text.strip().lower() in MISSING else columns.number(text)
