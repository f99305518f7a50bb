"""What is known about a file before it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from recurra.errors import SettingError

Header = Literal["auto", "yes", "no"]
Quotes = Literal["auto", "yes", "no"]
Quoting = Literal["csv", "cells", "none"]
SEPARATOR_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "|", " ": "blanks"}
SEPARATORS = {name: separator for separator, name in SEPARATOR_NAMES.items()} | {
    "\\t": "\t", "pipe": "|", "blank": " ", "space": " ", "none": "none", "auto": "auto"}  # fmt: skip


@dataclass(frozen=True)
class ReadOptions:
    """How the user wants a file to be read; "auto" where it is detected.

    Attributes:
        encoding: a name of Python's codecs, or "auto".
        separator: one of `,` `;` `|`, a tab, a blank (any number of blanks), "none" (one column), or "auto".
        header: "yes": the first line has the names; "no": it is a row; "auto".
        quoting: "yes": quotes enclose cells; "no": quotes are text; "auto".
        named: columns that the user has named; a first line with one of them is a header.
    """

    encoding: str = "auto"
    separator: str = "auto"
    header: Header = "auto"
    quoting: Quotes = "auto"
    named: tuple[str, ...] = ()


@dataclass(frozen=True)
class ColumnFacts:
    """A column, as far as the sampled rows show.

    Attributes:
        name: the name in the header, or `column 1`.
        type: integer, number, time, boolean, text, list, object, or empty.
        examples: the first distinct values, shortened.
        missing: number of sampled rows without a value.
        distinct: number of distinct values in the sampled rows.
    """

    name: str
    type: str
    examples: tuple[str, ...] = ()
    missing: int = 0
    distinct: int = 0


@dataclass(frozen=True)
class FileFacts:
    """Properties of a file, detected from samples of it.

    Attributes:
        path: the file.
        format: csv, tsv, jsonl, json, parquet, feather, xlsx, npz, fasttext, or text (lines without columns).
        size: bytes of the file.
        encoding: the encoding, for files of text.
        encoding_confidence: 1 for a byte-order mark or valid UTF-8, less for a guess.
        bom: whether the file begins with a byte-order mark.
        separator: the separator of the columns; None: one column.
        quoting: "csv": RFC 4180; "cells": a cell may be quoted, but ends with its line; "none": quotes are text.
        line_ends: `\\n`, `\\r\\n`, `\\r`, or mixed.
        preamble_lines: number of records above the header that are not read, such as a title.
        header_lines: number of lines with names.
        header_reason: why there is a header or none.
        header_certain: False where the header was assumed.
        rows: number of rows; None: unknown.
        rows_estimated: whether `rows` is an estimate.
        sampled_rows: number of rows that the columns describe.
        columns: the columns; none for text.
        notes: assumptions that the user should know.
        warnings: anything suspicious.
    """

    path: Path
    format: str
    size: int = 0
    encoding: str | None = None
    encoding_confidence: float = 1.0
    bom: bool = False
    separator: str | None = None
    quoting: Quoting = "csv"
    line_ends: str = "\\n"
    preamble_lines: int = 0
    header_lines: int = 0
    header_reason: str = ""
    header_certain: bool = True
    rows: int | None = None
    rows_estimated: bool = False
    sampled_rows: int = 0
    columns: tuple[ColumnFacts, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [column.name for column in self.columns]

    @property
    def header(self) -> bool:
        """Whether the file has a line of names."""
        return self.header_lines > 0

    @property
    def is_delimited(self) -> bool:
        """Whether a separator divides the lines of the file into cells."""
        return self.format in ("csv", "tsv")

    def with_notes(self, *notes: str) -> FileFacts:
        """Return the facts with more notes."""
        return replace(self, notes=(*self.notes, *notes))

    # config.yaml ---------------------------------------------------------------------------------------------------
    def to_config(self) -> dict[str, Any]:
        """Return the facts as they are stored in config.yaml, without values of the data."""
        values: dict[str, Any] = asdict(self)
        for name in ("path", "size", "sampled_rows", "notes", "warnings"):
            del values[name]
        values["columns"] = [{"name": column.name, "type": column.type} for column in self.columns]
        return values

    @staticmethod
    def from_config(path: Path, values: Mapping[str, Any]) -> FileFacts:
        """Return the facts that `to_config` stored. Raises TypeError or KeyError for other values."""
        columns = tuple(ColumnFacts(str(one["name"]), str(one["type"])) for one in values["columns"])
        return FileFacts(path, **{**values, "columns": columns})

    # messages ------------------------------------------------------------------------------------------------------
    def summary(self) -> list[str]:
        """Return the first lines that `train` prints: what the file is, and how it is read."""
        parts = [self.format]
        if self.encoding is not None:
            sure = "" if self.encoding_confidence == 1 else f" ({self.encoding_confidence:.0%} sure)"
            parts.append(f"{self.encoding}{sure}")
        if self.is_delimited:
            parts.append("one column" if self.separator is None else f"separator {separator_name(self.separator)}")
            parts.append(self.header_line())
        if self.rows is not None:
            parts.append(f"{'about ' * self.rows_estimated}{self.rows:,} row{'s' * (self.rows != 1)}")
        return [f"{self.path.name}: {', '.join(parts)}", *self.notes, *(f"warning: {line}" for line in self.warnings)]

    def rows_of_table(self) -> list[tuple[str, str]]:
        """Return the facts about the whole file, by name, for `recurra describe`."""
        rows = [("file", str(self.path)), ("format", self.format)]
        if self.encoding is not None:
            mark = " with a byte-order mark" if self.bom else ""
            rows.append(("encoding", f"{self.encoding}{mark} ({self.encoding_confidence:.0%} sure)"))
        if self.is_delimited:
            quoting = {"csv": "cells may be in quotes (RFC 4180)", "cells": "cells may be in quotes", "none": "none"}
            rows += [
                ("separator", "none: one column" if self.separator is None else separator_name(self.separator)),
                ("quoting", quoting[self.quoting]),
                ("header", self.header_line()),
            ]
        if self.encoding is not None:
            rows.append(("line ends", self.line_ends))
        if self.rows is not None:
            sampled = (
                f" (estimated; {self.sampled_rows:,} sampled)" if self.rows_estimated and self.sampled_rows else ""
            )
            estimated = " (estimated)" if self.rows_estimated and not sampled else ""
            rows.append(("rows", f"{'about ' * self.rows_estimated}{self.rows:,}{sampled}{estimated}"))
        elif self.sampled_rows:
            rows.append(("rows", f"at least {self.sampled_rows:,}"))
        return rows

    def header_line(self) -> str:
        """Return one clause about the header, with the reason."""
        what = "no header" if not self.header_lines else "header"
        if self.header_lines > 1:
            what = f"header of {self.header_lines} lines"
        option = "" if self.header_certain else f"; --header {'no' if self.header else 'yes'} for the opposite"
        return f"{what} ({self.header_reason}{option})"


def separator_of(text: str) -> str:
    """Return the separator of an option: a character, or a name such as `tab`. Raises SettingError for another one."""
    if text in SEPARATORS:
        return SEPARATORS[text]
    if len(text) == 1 and not text.isalnum() and text not in '"\r\n':
        return text
    raise SettingError(f"separator is {text!r}; expected one character, or one of {', '.join(sorted(SEPARATORS))}")


def separator_name(separator: str) -> str:
    """Return the name of a separator in messages."""
    return SEPARATOR_NAMES.get(separator, repr(separator))
