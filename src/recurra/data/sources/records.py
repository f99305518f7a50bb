"""Splits lines into the cells of records. `open_records` is the one place that parses delimited text; a backend can replace it.

A record is (number of its first line, its cells), or (number, message) where it cannot be parsed.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

Record = tuple[int, list[str] | str]
_LARGEST_CELL = 1 << 24  # characters; also limits what an unclosed quote can consume
_BLANKS = re.compile("[ \t]+")


class Dialect(NamedTuple):
    """How lines are split into cells: see `FileFacts.separator` and `FileFacts.quoting`."""

    separator: str | None
    quoting: str

    @property
    def newline(self) -> str:
        """The `newline` with which the file is opened: a cell of RFC 4180 may contain line ends."""
        return "" if self.quoting == "csv" else "\n"


def split_records(lines: Iterator[str], dialect: Dialect) -> Iterator[Record]:
    """Yield the records of lines, without blank lines."""
    if dialect.quoting == "csv" and dialect.separator != " ":
        yield from _quoted(_Lines(lines), dialect.separator or "\0")
        return
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\r\n") if dialect.separator == " " else line.removesuffix("\n").removesuffix("\r")
        if not line or (dialect.separator == " " and not line.strip(" \t")):
            continue
        if dialect.separator is None:
            cells = [line]
        elif dialect.separator == " ":
            cells = _BLANKS.split(line.strip(" \t"))
        else:
            cells = line.split(dialect.separator)
        yield number, [_unquote(cell) for cell in cells] if dialect.quoting != "none" else cells


def without_empty_end(records: Iterator[Record]) -> Iterator[Record]:
    """Yield the records without those at the end that have only separators, as spreadsheets write them."""
    held: list[Record] = []
    for record in records:
        cells = record[1]
        if isinstance(cells, list) and len(cells) > 1 and not any(cells):
            held.append(record)
            continue
        if held:
            yield from held
            held = []
        yield record


class _Lines:
    """Lines that can be pushed back, so that an unclosed quote invalidates one line and not the rest of the file."""

    def __init__(self, stream: Iterator[str]) -> None:
        self.stream, self.again, self.used = stream, deque[str](), list[str]()
        self.number = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self.again.popleft() if self.again else next(self.stream)
        self.number += 1
        self.used.append(line)
        return line

    def push_back_all_but_first(self) -> None:
        self.again.extendleft(reversed(self.used[1:]))
        self.number -= len(self.used) - 1


def _quoted(lines: _Lines, separator: str) -> Iterator[Record]:
    """Records of RFC 4180, strict."""
    if csv.field_size_limit() < _LARGEST_CELL:
        csv.field_size_limit(_LARGEST_CELL)
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        lines.used.clear()
        begin = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            reason = str(error)
            if "unexpected end" in reason or "field larger" in reason:
                reason = "a quote is not closed"
            yield begin, f"invalid CSV: {reason}; --set quoting=no reads quotes as text"
            lines.push_back_all_but_first()
            reader = csv.reader(lines, delimiter=separator, strict=True)
            continue
        if cells:
            yield begin, cells


def _unquote(cell: str) -> str:
    """Remove the quotes of a cell as spreadsheets write it, with inner quotes doubled; return other cells unchanged."""
    return cell[1:-1].replace('""', '"') if is_quoted(cell) else cell


def is_quoted(cell: str) -> bool:
    """Whether a cell is in quotes, with inner quotes doubled."""
    return len(cell) >= 2 and cell[0] == cell[-1] == '"' and '"' not in cell[1:-1].replace('""', "")
