"""Rows of tables with a separator, gzipped or not: CSV, TSV, and fastText's lines."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from recurra.data.sources.files import open_lines, reading, wrong_characters
from recurra.data.sources.inspect.facts import FileFacts, separator_name
from recurra.data.sources.inspect.inspect import LABEL_PREFIX
from recurra.data.sources.records import Dialect, split_records, without_empty_end
from recurra.data.sources.rows import Row, Source
from recurra.errors import DataError


class Delimited(Source):
    """A table whose lines are split as its facts say.

    Args:
        path: the file.
        name: a short name.
        facts: the result of `inspect_file`.
        skip_broken: skip rows that cannot be parsed instead of raising.
    """

    facts: FileFacts

    def __init__(self, path: Path, name: str, *, facts: FileFacts, skip_broken: bool = False) -> None:
        encoding = facts.encoding or "utf-8"
        super().__init__(path, name, encoding=encoding, skip_broken=skip_broken, format=facts.format)
        self.facts = facts

    @property
    def header(self) -> bool:
        """Whether the first line has the names of the columns."""
        return self.facts.header

    @cached_property
    def columns(self) -> list[str]:
        """The names in the header; without a header `column 1`, `column 2`, ..."""
        names = self.facts.names
        if not names:
            raise DataError("the file has no header line", file=self.path)
        if wrong := wrong_characters("".join(names), self.encoding):
            raise DataError(f"in the header: {wrong}", file=self.path)
        return names

    def _read(self) -> Iterator[Row | DataError]:
        columns = self.columns
        dialect = Dialect(self.facts.separator, self.facts.quoting)
        with reading(self.path), open_lines(self.path, self.encoding, dialect.newline) as stream:
            records = without_empty_end(split_records(stream, dialect))
            for _ in range(self.facts.preamble_lines + self.facts.header_lines):
                next(records, None)
            for number, (line, cells) in enumerate(records, 1):
                row = Row(number, {}, self.path, line)
                if isinstance(cells, str):
                    yield row.error(cells)
                elif len(cells) != len(columns):
                    yield row.error(self._wrong_count(cells))
                elif wrong := wrong_characters("".join(cells), self.encoding):
                    at = next(i for i, cell in enumerate(cells) if wrong_characters(cell, self.encoding))
                    yield row.error(wrong, columns[at])
                else:
                    row.values = dict(zip(columns, cells, strict=True))
                    yield row

    def _wrong_count(self, cells: list[str]) -> str:
        count = f"{len(cells)} cell{'s' * (len(cells) != 1)}"
        first = "header" if self.header else "first line"
        separator = self.facts.separator
        what = "--separator names the separator" if separator is None else f"separator: {separator_name(separator)}"
        return f"{count}, but the {first} has {len(self.columns)}; is a cell with a separator in quotes? ({what})"


class FastText(Source):
    """Lines of fastText: labels with the prefix `__label__`, then the text. Several labels are a list."""

    format = "fasttext"

    @property
    def columns(self) -> list[str]:
        """`label` and `text`."""
        return ["label", "text"]

    def _read(self) -> Iterator[Row | DataError]:
        number = 0
        with reading(self.path), open_lines(self.path, self.encoding, "\n") as stream:
            for line, raw in enumerate(stream, 1):
                text = raw.strip()
                if not text:
                    continue
                number += 1
                row = Row(number, {}, self.path, line)
                if wrong := wrong_characters(text, self.encoding):
                    yield row.error(wrong)
                    continue
                labels: list[str] = []
                while text.startswith(LABEL_PREFIX):
                    label, _, text = text.partition(" ")
                    labels.append(label.removeprefix(LABEL_PREFIX))
                    text = text.lstrip()
                    if text.startswith(", "):
                        text = text[2:].lstrip()
                if not labels:
                    yield row.error(f"has no label; expected {LABEL_PREFIX}NAME at the start of the line", "label")
                    continue
                row.values = {"label": labels[0] if len(labels) == 1 else labels, "text": text}
                yield row
