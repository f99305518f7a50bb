"""The base class of sources of rows, the row, and the count of skipped rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from recurra.data.sources.inspect.facts import FileFacts, ReadOptions
from recurra.errors import DataError, near

FIRST_ROWS = 1000  # rows from which the types of the columns are inferred
_PLACES = 5  # skipped rows whose message is kept


@dataclass(slots=True)
class Row:
    """One row of a table.

    Attributes:
        number: the row number, counted from 1 without the header.
        values: the values by column.
        file: the file of the row.
        line: the line on which the row begins; None for files without lines.
        elsewhere: the file of each column that is in another file.
    """

    number: int
    values: dict[str, Any]
    file: Path
    line: int | None = None
    elsewhere: Mapping[str | None, Path] = field(default_factory=dict)

    def error(self, message: str, column: str | None = None) -> DataError:
        """Return a DataError with the location of the row."""
        where = "" if self.line is None else f" (line {self.line})"
        return DataError(message + where, file=self.elsewhere.get(column, self.file), row=self.number, field=column)


@dataclass
class Broken:
    """The rows that the latest pass has skipped: their count, and the errors of the first ones."""

    count: int = 0
    places: list[str] = field(default_factory=list)


class Source(ABC):
    """A stream of rows with named columns. Each call of `rows()` starts a new pass; the file is never in memory as a whole.

    Args:
        path: the file or folder.
        name: a short name, used for the run folder.
        encoding: the encoding of text files.
        skip_broken: skip rows that cannot be parsed instead of raising.
        format: the name of the format, where the class has several.

    Attributes:
        facts: what the inspection of the file has found; None for data that are not text.
        options: how the user wants the file to be read.
        reasons: why a column was chosen, by its name.
        on_skip: called with the error of each row that is skipped; None: nothing is called.
    """

    format: str
    facts: FileFacts | None = None
    options: ReadOptions = ReadOptions()
    on_skip: Callable[[DataError], None] | None = None

    def __init__(
        self, path: Path, name: str, *, encoding: str = "utf-8", skip_broken: bool = False, format: str | None = None
    ) -> None:
        self.path, self.name, self.encoding, self.skip_broken = path, name, encoding, skip_broken
        if format is not None:
            self.format = format
        self.broken = Broken()
        self.reasons: dict[str, str] = {}
        self._first_rows: list[Row] | None = None

    @property
    @abstractmethod
    def columns(self) -> list[str]:
        """The names of the columns, in the order of the file."""

    @abstractmethod
    def _read(self) -> Iterator[Row | DataError]:
        """Yield the rows, and for a row that cannot be parsed its error."""

    def describe(self) -> list[str]:
        """Return lines about what was found besides rows, such as comments; complete after the rows have been read."""
        return []

    def share_facts(self, inner: Source) -> None:
        """Take the facts of a source whose rows this one changes, and the reasons for its columns."""
        self.facts, self.options, self.reasons = inner.facts, inner.options, inner.reasons

    def rows(self) -> Iterator[Row]:
        """Iterate over the rows. A row that cannot be parsed raises DataError, or with `skip_broken` is counted in `broken`."""
        self.broken = broken = Broken()
        has_rows = False
        for row in self._read():
            if isinstance(row, Row):
                has_rows = True
                yield row
            elif not self.skip_broken:
                raise row
            else:
                broken.count += 1
                if self.on_skip is not None:
                    self.on_skip(row)
                if len(broken.places) < _PLACES:
                    broken.places.append(str(row))
        if not has_rows:
            if broken.count:
                raise DataError(f"all {broken.count:,} rows are broken; the first: {broken.places[0]}")
            raise DataError("there are no rows of data", file=self.path)

    def rows_or_errors(self) -> Iterator[Row | DataError]:
        """Iterate over the rows, with a DataError in the place of each row that cannot be parsed."""
        empty = True
        for row in self._read():
            empty = False
            yield row
        if empty:
            raise DataError("there are no rows of data", file=self.path)

    def first_rows(self) -> list[Row]:
        """Return the first 1,000 rows that can be parsed, which are read once and cached; `rows` reports the others."""
        if self._first_rows is None:
            parsed = (row for row in self._read() if isinstance(row, Row))
            self._first_rows = list(islice(parsed, FIRST_ROWS)) or list(self.rows())  # raises, since there are none
        return self._first_rows

    def need(self, column: str) -> str:
        """Return `column` if it exists; else raise a DataError that lists the existing columns.

        A column without a name may be given by its number, counted from 1.
        """
        if column in self.columns:
            self.reasons[column] = "as requested"
            return column
        if column.isdecimal() and (numbered := f"column {int(column)}") in self.columns:
            self.reasons[numbered] = "as requested"
            return numbered
        there = ", ".join(self.columns[:20]) + (", ..." if len(self.columns) > 20 else "")
        close = near(column, self.columns)
        hint = f"; {close}" if close.startswith("did") else ""
        if self.facts is not None and self.facts.is_delimited:
            hint += f" ({self.facts.header_line()})" if not self.facts.header_certain or not self.facts.header else ""
        raise DataError(f"unknown column {column!r}; expected one of {there}{hint}", file=self.path)
