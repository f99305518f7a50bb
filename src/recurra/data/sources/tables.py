"""Rows of CSV, TSV and JSON Lines files, gzipped or not."""

from __future__ import annotations

import csv
import json
import re
from collections import deque
from collections.abc import Iterator
from functools import cached_property
from itertools import chain, islice
from typing import Any

from recurra.data.sources.files import open_lines, reading, wrong_characters
from recurra.data.sources.rows import FIRST_ROWS, Row, Source
from recurra.errors import DataError

_LARGEST_CELL = 1 << 24  # characters; also limits what an unclosed quote can consume
_SURROGATES = re.compile("[\ud800-\udfff]")


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


def _records(lines: _Lines, delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """Yield (first line, cells or an error message) for each record that is not a blank line."""
    if csv.field_size_limit() < _LARGEST_CELL:
        csv.field_size_limit(_LARGEST_CELL)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
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
            yield begin, f"invalid CSV: {reason}"
            lines.push_back_all_but_first()
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            continue
        if cells:
            yield begin, cells


def _unquote(cell: str) -> str:
    """Remove the quotes of a TSV cell as spreadsheets write it, with inner quotes doubled; return other cells unchanged."""
    if len(cell) >= 2 and cell[0] == cell[-1] == '"':
        inner = cell[1:-1]
        if '"' not in inner.replace('""', ""):
            return inner.replace('""', '"')
    return cell


class Delimited(Source):
    """CSV (RFC 4180, strict; separated by `;` or tabs where the header has no comma) and TSV (one row per line, no quoting).

    Where `header` is False, the first line is a row, and the columns are called column 1, column 2, ...
    """

    header = True

    def without_header(self) -> Delimited:
        """Return a source of the same table that reads the first line as a row."""
        other = Delimited(
            self.path, self.name, format=self.format, encoding=self.encoding, skip_broken=self.skip_broken
        )
        other.header = False
        return other

    @property
    def columns(self) -> list[str]:
        """The names in the header."""
        return self._header[1]

    @cached_property
    def _header(self) -> tuple[str, list[str]]:
        """The separator and the names of the columns, from the first line."""
        with reading(self.path), open_lines(self.path, self.encoding, self._newline) as stream:
            first = stream.readline()
            delimiter = next((mark for mark in ",;\t" if mark in first), ",")
            header = next(self._split(_Lines(chain([first], stream) if first else stream), delimiter), None)
        if header is None:
            raise DataError("the file has no header line", file=self.path)
        if isinstance(header[1], str):
            raise DataError(f"in the header: {header[1]}", file=self.path)
        names = [cell.strip() * self.header or f"column {at}" for at, cell in enumerate(header[1], 1)]
        if wrong := wrong_characters("".join(names), self.encoding):
            raise DataError(f"in the header: {wrong}", file=self.path)
        if twice := {name for name in names if names.count(name) > 1}:
            raise DataError(f"two columns have the name {min(twice)!r}; rename one", file=self.path)
        return delimiter, names

    @property
    def _newline(self) -> str:
        return "" if self.format == "csv" else "\n"

    def _split(self, lines: _Lines, delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
        if self.format == "csv":
            yield from _records(lines, delimiter)
            return
        for line in lines:
            lines.used.clear()
            line = line.removesuffix("\n").removesuffix("\r")
            if line:
                yield lines.number, [_unquote(cell) for cell in line.split("\t")]

    def _read(self) -> Iterator[Row | DataError]:
        delimiter, columns = self._header
        with reading(self.path), open_lines(self.path, self.encoding, self._newline) as stream:
            records = self._split(_Lines(stream), delimiter)
            if self.header:
                next(records, None)
            for number, (line, cells) in enumerate(records, 1):
                row = Row(number, {}, self.path, line)
                if isinstance(cells, str):
                    yield row.error(cells)
                elif len(cells) != len(columns):
                    count = f"{len(cells)} cell{'s' * (len(cells) != 1)}"
                    first = "header" if self.header else "first line"
                    yield row.error(
                        f"{count}, but the {first} has {len(columns)}; is a cell with a separator in quotes?"
                    )
                elif wrong := wrong_characters("".join(cells), self.encoding):
                    at = next(i for i, cell in enumerate(cells) if wrong_characters(cell, self.encoding))
                    yield row.error(wrong, columns[at])
                else:
                    row.values = dict(zip(columns, cells, strict=True))
                    yield row


class JsonLines(Source):
    """JSON Lines: one object per line. Missing keys are None."""

    format = "jsonl"

    @cached_property
    def columns(self) -> list[str]:
        """The keys of the first 1,000 rows."""
        names: dict[str, None] = {}
        for row in islice(self._objects(), FIRST_ROWS):
            if isinstance(row, Row):
                names.update(dict.fromkeys(row.values))
        return list(names)

    def _read(self) -> Iterator[Row | DataError]:
        blank = dict.fromkeys(self.columns)
        for row in self._objects():
            if isinstance(row, Row):
                row.values = blank | row.values
            yield row

    def _objects(self) -> Iterator[Row | DataError]:
        number = 0
        with reading(self.path), open_lines(self.path, self.encoding, "\n") as stream:
            for line, text in enumerate(stream, 1):
                if text.isspace():
                    continue
                number += 1
                row = Row(number, {}, self.path, line)
                if wrong := wrong_characters(text, self.encoding):
                    yield row.error(wrong)
                    continue
                if number == 1 and text.lstrip().startswith("["):
                    raise DataError(
                        "the file is one JSON list; write one object per line instead (JSON Lines)", file=self.path
                    )
                try:
                    row.values = _without_surrogates(json.loads(text), text)
                except (ValueError, RecursionError) as error:
                    yield row.error(f"not JSON: {error}")
                    continue
                yield row if isinstance(row.values, dict) else row.error("not a JSON object {...}")


def _without_surrogates(value: Any, line: str) -> Any:
    """Replace lone surrogates, which an escape such as \\ud83d can write, by U+FFFD."""
    return _replace_surrogates(value) if "\\ud" in line.lower() else value


def _replace_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATES.sub("\ufffd", value)
    if isinstance(value, list):
        return [_replace_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_replace_surrogates(key): _replace_surrogates(item) for key, item in value.items()}
    return value
