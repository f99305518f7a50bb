"""The separator of the columns and the quoting: those with which nearly all records have as many cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

from recurra.data.sources.records import Dialect, is_quoted, split_records

from .cells import type_of
from .facts import Quoting, ReadOptions
from .preambles import count_preamble

CANDIDATES = ("\t", ";", ",", "|")  # in order of precedence where several fit equally well
TAB_SUFFIXES = (".tsv", ".tab")
MAX_RECORDS = 1000
MIN_CONSISTENT = 0.7  # share of the records with the usual number of cells, for a file named as a table
MIN_CONSISTENT_TEXT = 0.95  # for a file whose name does not say that it is a table
MAX_ERRORS, MIN_ERRORS = 0.05, 3  # share and number of records with invalid quotes, above which quotes are text
MIN_NEEDED = 0.5  # share of the quoted cells that need their quotes, where quotes are not part of the text


@dataclass(frozen=True)
class Layout:
    """A way to split the records of the sample.

    Attributes:
        separator, quoting: the dialect.
        width: the usual number of cells.
        consistent: share of the records that have it.
        records: the cells of the sampled records that can be parsed.
        notes: what the user should know about the choice.
    """

    separator: str | None
    quoting: Quoting
    width: int
    consistent: float
    records: list[list[str]]
    notes: tuple[str, ...] = ()

    @cached_property
    def preamble(self) -> int:
        """The number of records above the table."""
        return count_preamble(self.records, self.width)

    @property
    def dialect(self) -> Dialect:
        """The separator and the quoting, as records are read."""
        return Dialect(self.separator, self.quoting)


def find_layout(lines: Sequence[str], options: ReadOptions, *, suffix: str, expected: str | None = None) -> Layout:
    """Return the layout of the lines of a sample, which keep their ends.

    Args:
        lines: complete lines from the start of the file.
        options: the separator and the quoting that the user has set.
        suffix: `.csv`, `.tsv`, or another one: then a separator needs more evidence.
        expected: the separator of the training file; it decides between separators that fit equally well.
    """
    named, tabs = suffix in (".csv", *TAB_SUFFIXES), suffix in TAB_SUFFIXES
    if options.separator != "auto":
        return _best_quoting(lines, None if options.separator == "none" else options.separator, options, suffix)
    if tabs and any("\t" in line for line in lines[:100]):
        return _best_quoting(lines, "\t", options, suffix)
    layouts = [_best_quoting(lines, separator, options, suffix) for separator in CANDIDATES]
    least = MIN_CONSISTENT if named else MIN_CONSISTENT_TEXT
    if fitting := [one for one in layouts if _fits(one, least, named)]:
        order = [expected, *CANDIDATES]
        return max(fitting, key=lambda one: (one.consistent, -order.index(one.separator)))
    blanks = _layout(lines, " ", "none")
    if blanks.width > 1 and blanks.consistent >= MIN_CONSISTENT_TEXT and _is_numeric(blanks):
        return blanks
    in_first = [one for one in layouts if one.records and len(one.records[0]) > 1]
    if named and in_first:  # the rows with another number of cells are reported as broken
        return min(in_first, key=lambda one: (one.separator != ",", CANDIDATES.index(one.separator or "")))
    return _best_quoting(lines, None, options, suffix)


def _best_quoting(lines: Sequence[str], separator: str | None, options: ReadOptions, suffix: str) -> Layout:
    """The layout with a separator, with the quoting that the cells have."""
    if options.quoting == "no" or separator == " ":
        return _layout(lines, separator, "none")
    quoted = _layout(lines, separator, "csv")
    if options.quoting == "yes" or not any('"' in line for line in lines):
        return (
            quoted
            if separator != "\t" or suffix == ".csv" or options.quoting == "yes"
            else _layout(lines, "\t", "none")
        )
    by_line = _layout(lines, separator, "none")
    cells = [cell for record in by_line.records for cell in record if is_quoted(cell)]
    if separator == "\t" and suffix != ".csv":
        if quoted.consistent > by_line.consistent:  # tabs or line ends within quotes
            return quoted
        return _by_line_quoting(lines, by_line, cells)
    errors = 1 - quoted.consistent
    if (
        not cells
        and errors > MAX_ERRORS
        and errors * len(lines) >= MIN_ERRORS
        and by_line.consistent > quoted.consistent
    ):
        return replace(by_line, notes=("quotes are part of the text: no cell is enclosed in quotes",))
    return quoted


def _by_line_quoting(lines: Sequence[str], by_line: Layout, cells: list[str]) -> Layout:
    """Whether quotes enclose cells: in all rows of a column, or where a cell needs them; else they are part of the text."""
    if not cells:
        return by_line
    needed = sum('"' in cell[1:-1] or cell[1:-1] != cell[1:-1].strip() for cell in cells)
    rows = [record for record in by_line.records if len(record) == by_line.width]
    columns = list(zip(*rows[1:] or rows, strict=True))
    always = any(column and all(is_quoted(cell) for cell in column if cell) and any(column) for column in columns)
    if always or needed >= MIN_NEEDED * len(cells):
        return _layout(lines, by_line.separator, "cells")
    some = sum(any(is_quoted(cell) for cell in record) for record in rows)
    note = f"quotes are part of the text: {some:,} of {len(rows):,} sampled rows have them (--set quoting=yes removes them)"
    return replace(by_line, notes=(note,))


def _layout(lines: Sequence[str], separator: str | None, quoting: Quoting) -> Layout:
    records: list[list[str]] = []
    counts: Counter[int] = Counter()
    for _, cells in islice(split_records(iter(lines), Dialect(separator, quoting)), MAX_RECORDS):
        counts[0 if isinstance(cells, str) else len(cells)] += 1
        if not isinstance(cells, str):
            records.append(cells)
    if not records:
        return Layout(separator, quoting, 0, 0.0, [])
    width = Counter(map(len, records)).most_common(1)[0][0]
    return Layout(separator, quoting, width, counts[width] / counts.total(), records)


def _fits(layout: Layout, least: float, named: bool) -> bool:
    """Whether the first record, which may be the header, and nearly all others have the same number of cells."""
    return (
        layout.width > 1
        and layout.consistent >= least
        and len(layout.records[layout.preamble]) == layout.width
        and (named or len(layout.records) > 1)
    )


def _is_numeric(layout: Layout) -> bool:
    """Whether most cells are numbers: only then do blanks separate columns, and not words."""
    cells = [cell for record in layout.records[:100] for cell in record]
    return sum(type_of(cell) in ("number", "integer", "empty") for cell in cells) > 0.5 * len(cells)
