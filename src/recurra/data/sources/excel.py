"""Rows of the first sheet of an .xlsx workbook, through openpyxl."""

from __future__ import annotations

import datetime
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from importlib import import_module
from itertools import islice, takewhile
from typing import Any

from recurra.data.sources.files import reading
from recurra.data.sources.inspect.headers import HeaderDecision, column_names, find_header
from recurra.data.sources.inspect.preambles import count_preamble
from recurra.data.sources.rows import FIRST_ROWS, Row, Source
from recurra.errors import DataError


class Excel(Source):
    """The first sheet with cells of a workbook. Empty cells are None; whole numbers are integers; times are ISO text."""

    format = "xlsx"

    @cached_property
    def _top(self) -> tuple[list[str], int, HeaderDecision]:
        """The names of the columns, the number of rows above the header, and whether there is a header."""
        with self._cells() as rows:
            first = [[_text(cell) for cell in row] for row in islice(rows, FIRST_ROWS)]
        if not first:
            raise DataError("the first sheet is empty", file=self.path)
        filled = [len(row) - sum(1 for _ in takewhile(lambda cell: not cell, reversed(row))) for row in first]
        width = Counter(filled).most_common(1)[0][0]
        preamble = count_preamble([row[:count] for row, count in zip(first, filled, strict=True)], width)
        for above in (preamble, 0):
            width = max(filled[above:])
            table = [(row + [""] * width)[:width] for row in first[above:]]
            header = find_header(table, self.options, None)
            if header.lines and header.certain:
                break
        return column_names(table, header.lines, width)[0], above, header

    @property
    def header(self) -> HeaderDecision:
        """Whether the first line has the names."""
        return self._top[2]

    @property
    def columns(self) -> list[str]:
        """The names in the header."""
        return self._top[0]

    @contextmanager
    def _cells(self) -> Iterator[Iterator[list[Any]]]:
        """The cells of each row that is not empty, without empty columns at the right."""
        try:
            openpyxl = import_module("openpyxl")
        except ImportError:
            raise DataError(
                "reading .xlsx requires another library: pip install 'recurra[excel]'; or save the sheet as CSV (UTF-8)",
                file=self.path,
            ) from None
        with reading(self.path), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # styles that openpyxl does not know
            try:
                book = openpyxl.load_workbook(self.path, read_only=True, data_only=True)
            except (zipfile.BadZipFile, KeyError, ValueError) as error:
                raise DataError(f"not an .xlsx workbook, or damaged: {error}", file=self.path) from None
            try:
                yield self._rows(book)
            finally:
                book.close()

    @staticmethod
    def _rows(book: Any) -> Iterator[list[Any]]:
        for row in book.worksheets[0].iter_rows(values_only=True):
            cells = [_plain(cell) for cell in row]
            if all(cell is None for cell in cells):
                continue
            yield cells

    def _read(self) -> Iterator[Row | DataError]:
        columns, preamble, header = self._top
        width, above = len(columns), preamble + header.lines
        with self._cells() as rows:
            for number, cells in enumerate(islice(rows, above, None), 1):
                row = Row(number, {}, self.path, number + above)
                if any(cell is not None for cell in cells[width:]):
                    yield row.error(f"{len(cells)} cells, but the first rows have {width}")
                    continue
                row.values = dict(zip(columns, cells[:width] + [None] * (width - len(cells)), strict=True))
                yield row


def _plain(cell: Any) -> Any:
    """A cell as JSON has it: a time as ISO text, a whole number as an integer."""
    if isinstance(cell, datetime.datetime) and cell.time() == datetime.time():
        return cell.date().isoformat()
    if isinstance(cell, (datetime.datetime, datetime.date, datetime.time)):
        return cell.isoformat(" ") if isinstance(cell, datetime.datetime) else cell.isoformat()
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return int(cell)
    return cell if not isinstance(cell, str) or cell.strip() else None


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell)
