"""The cells of rows as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from recurra.data.sources.rows import Row


def cell(row: Row, column: str) -> str:
    """Return the text of a cell. The text of an absent cell is empty."""
    return "" if (value := row.values.get(column)) is None else str(value)


def cells_of(rows: Iterable[Row], columns: Sequence[str]) -> dict[str, list[str]]:
    """Return the cells of some rows by column."""
    rows = list(rows)
    return {column: [cell(row, column) for row in rows] for column in columns}
