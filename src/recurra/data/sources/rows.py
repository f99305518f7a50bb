"""What a source of rows is: the row, the source's base class, and the count of rows that were skipped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from recurra.errors import DataError, near

LOOK = 1000  # rows looked at to find out what the columns hold
_PLACES = 5  # broken rows whose message is kept


@dataclass(slots=True)
class Row:
    """One row. `number` counts rows of data from 1; `line` is the line of the file it begins on, if it has lines.
    `elsewhere`: the files of fields that do not stand in `file`."""

    number: int
    values: dict[str, Any]
    file: Path
    line: int | None = None
    elsewhere: Mapping[str | None, Path] = field(default_factory=dict)

    def error(self, message: str, column: str | None = None) -> DataError:
        """A DataError that says where this row is."""
        where = "" if self.line is None else f" (line {self.line})"
        return DataError(message + where, file=self.elsewhere.get(column, self.file), row=self.number, field=column)


@dataclass
class Broken:
    """Rows skipped in the latest pass: how many, and what was wrong with the first few."""

    count: int = 0
    places: list[str] = field(default_factory=list)


class Source(ABC):
    """Rows with named columns, streamed: `rows()` starts a new pass and never holds the file."""

    format: str

    def __init__(
        self, path: Path, name: str, *, encoding: str = "utf-8", skip_broken: bool = False, format: str | None = None
    ) -> None:
        self.path, self.name, self.encoding, self.skip_broken = path, name, encoding, skip_broken
        if format is not None:
            self.format = format
        self.broken = Broken()
        self._look: list[Row] | None = None

    @property
    @abstractmethod
    def columns(self) -> list[str]:
        """The names of the columns, in the file's order."""

    @abstractmethod
    def _read(self) -> Iterator[Row | DataError]:
        """Rows, and in the place of a broken row the error that names it."""

    def rows(self) -> Iterator[Row]:
        """A pass over the rows. A broken row raises DataError, or with `skip_broken` is counted in `broken`."""
        self.broken = broken = Broken()
        found = False
        for row in self._read():
            if isinstance(row, Row):
                found = True
                yield row
            elif not self.skip_broken:
                raise row
            else:
                broken.count += 1
                if len(broken.places) < _PLACES:
                    broken.places.append(str(row))
        if not found:
            if broken.count:
                raise DataError(f"all {broken.count:,} rows are broken; the first: {broken.places[0]}")
            raise DataError("there are no rows of data", file=self.path)

    def look(self) -> list[Row]:
        """The first 1,000 rows, read once and kept."""
        if self._look is None:
            self._look = list(islice(self.rows(), LOOK))
        return self._look

    def need(self, column: str) -> str:
        """`column` if it exists, else DataError naming the ones there are."""
        if column in self.columns:
            return column
        there = ", ".join(self.columns[:20]) + (", ..." if len(self.columns) > 20 else "")
        close = near(column, self.columns)
        hint = f"; {close}" if close.startswith("did") else ""
        raise DataError(f"there is no column {column!r}; there are {there}{hint}", file=self.path)
