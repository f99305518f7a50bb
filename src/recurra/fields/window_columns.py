"""Finds the columns of windows of measurements: a column of lists, or one column for each number."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from ..data.sources.columns import counts_rows
from ..data.sources.number_formats import number_format
from ..data.sources.sources import Source

MIN_COLUMNS = 3  # fewer columns of numbers are not taken for a window
_GRID = re.compile(r"^(.*?)(\d+)\D+(\d+)$")


def list_column(source: Source, taken: Sequence[str]) -> str | None:
    """Return the first column whose values are lists of numbers, or such lists as JSON; None where there is none."""
    for column in source.columns:
        if column not in taken:
            values = [value for row in source.first_rows() if (value := row.values.get(column)) is not None]
            if values and sum(map(_is_list, values)) > len(values) / 2:
                return column
    return None


def _is_list(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip()[:1] == "[" and value.strip()[-1:] == "]" and any(c.isdigit() for c in value[:40])
    if not isinstance(value, list):
        return False
    while isinstance(value, list) and value:
        value = value[0]
    return isinstance(value, int | float)


def number_columns(source: Source, taken: Sequence[str]) -> list[str]:
    """Return the columns of numbers if all columns except `taken` are such; none otherwise. A row counter is left out."""
    rows, numeric = source.first_rows(), list[str]()
    for column in source.columns:
        if column in taken:
            continue
        cells = [row.values.get(column) for row in rows]
        format = number_format(cells)
        numbers = [value for cell in cells if (value := format.parse(cell)) is not None and not math.isnan(value)]
        if len(numbers) < 0.99 * len([cell for cell in cells if not format.is_missing(cell)]) or not numbers:
            return []
        if not counts_rows(numbers):
            numeric.append(column)
    return numeric


def repeats(source: Source, column: str) -> bool:
    """Whether most rows have the value of the previous row, as sequence IDs do where a row is a time step."""
    cells = [row.values.get(column) for row in source.first_rows()]
    return 2 * sum(bool(a == b) for a, b in pairwise(cells)) > len(cells)


def grid_width(columns: Sequence[str]) -> int | None:
    """The width of the grid that the columns are named after, in row-major order; None for other names."""
    matches = [_GRID.match(column) for column in columns]
    if not all(matches):
        return None
    places = [(int(match[2]), int(match[3])) for match in matches if match]
    width = sum(row == places[0][0] for row, _ in places)
    (top, left), height = places[0], len(places) // width
    grid = [(top + row, left + column) for row in range(height) for column in range(width)]
    return width if places == grid and width > 1 else None
