"""Lists in the cells of a table: parsing of Python, NumPy and JSON syntax, and a view of a source with such cells as lists."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from recurra.data.sources.rows import Row, Source
from recurra.errors import DataError

_ITEM = re.compile(r"""\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s,'"\[\]]+)\s*(,)?""", re.DOTALL)
_CONSTANTS = {"None": None, "nan": None, "NaN": None, "True": True, "False": False}


def as_tokens(value: Any) -> Sequence[Any] | None:
    """The tokens of a cell: a list as it is, text split at spaces; None for other values."""
    if isinstance(value, str):
        return value.split()
    return value if isinstance(value, list) else None


def parse_list(text: str) -> list[Any] | None:
    """The list in a cell, or None if it is no list. Items are separated by commas or, as NumPy prints them, by blanks.

    Nothing is evaluated but literals. Raises ValueError for a list that was shortened with `...`.

    >>> parse_list("['Ada', \\"isn't\\"]"), parse_list('["a", 1]'), parse_list("['O' 'B-PER']"), parse_list("[0 1]")
    (['Ada', "isn't"], ['a', 1], ['O', 'B-PER'], [0, 1])
    >>> parse_list("Ada [left]"), parse_list("[]")
    (None, [])
    """
    text = text.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        value = json.loads(text)
        return value if isinstance(value, list) else None
    except ValueError:
        pass
    items, at, inner = list[Any](), 0, text[1:-1].strip()
    while at < len(inner):
        match = _ITEM.match(inner, at)
        if match is None:
            return None
        items.append(_literal(match[1]))
        at = match.end()
    return items


def _literal(item: str) -> Any:
    """The value of a quoted text, a number, a constant or, for any other word, its text."""
    if item == "...":
        raise ValueError("the list was shortened with '...'; write the file with complete lists")
    if item in _CONSTANTS:
        return _CONSTANTS[item]
    try:
        return ast.literal_eval(item)
    except (ValueError, SyntaxError):
        return item


def parse_nested(text: str) -> Any:
    """The list or object in a cell, which may contain others, in the syntax of JSON or Python; None if there is none.

    >>> parse_nested("[[0, 3, 'PER']]"), parse_nested('[{"start": 0}]'), parse_nested("Ada")
    ([[0, 3, 'PER']], [{'start': 0}], None)
    """
    text = text.strip()
    if not text.startswith(("[", "{")):
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            value = parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return value if isinstance(value, list | dict) else None
    return None


def is_list_column(cells: Sequence[Any]) -> bool:
    """Whether all filled cells of a column are texts that are lists, and there are any."""
    filled = [cell for cell in cells if cell is not None and not (isinstance(cell, str) and not cell.strip())]
    if not filled or not all(isinstance(cell, str) and cell.lstrip().startswith("[") for cell in filled):
        return False
    try:
        return all(parse_list(cell) is not None for cell in filled)
    except ValueError:
        return True


def has_parallel_cells(source: Source) -> bool:
    """Whether two cells of most rows have the same number of words, at least two, as a sentence and its tags do."""
    rows = [[len(str(cell).split()) for cell in row.values.values() if cell] for row in source.first_rows()]
    alike = sum(any(count > 1 and counts.count(count) > 1 for count in counts) for counts in rows)
    return 2 * alike > len(rows)


class ListCells(Source):
    """A view of a table whose columns of texts such as `['a', 'b']` contain lists. Other columns are unchanged."""

    def __init__(self, inner: Source) -> None:
        super().__init__(inner.path, inner.name, encoding=inner.encoding, skip_broken=inner.skip_broken)
        self.share_facts(inner)
        self.inner, self.format = inner, inner.format

    @property
    def columns(self) -> list[str]:
        """The columns of the table."""
        return self.inner.columns

    def describe(self) -> list[str]:
        """Return which columns have lists."""
        return [f"the cells of {', '.join(self.lists)} are lists"] if self.lists else []

    @cached_property
    def lists(self) -> list[str]:
        """The columns of lists."""
        rows = self.inner.first_rows()
        return [column for column in self.columns if is_list_column([row.values.get(column) for row in rows])]

    def _read(self) -> Iterator[Row | DataError]:
        for row in self.inner._read():
            yield self._converted(row) if isinstance(row, Row) and self.lists else row

    def _converted(self, row: Row) -> Row | DataError:
        values = dict(row.values)
        for column in self.lists:
            cell = values.get(column)
            if not isinstance(cell, str) or not cell.strip():
                continue
            try:
                value = parse_list(cell)
            except ValueError as error:
                return row.error(str(error), column)
            if value is None:
                return row.error(f"is {cell!r:.40}; expected a list such as ['a', 'b']", column)
            values[column] = value
        return Row(row.number, values, row.file, row.line, row.elsewhere)
