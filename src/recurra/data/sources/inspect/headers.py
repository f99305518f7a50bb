"""Whether the first lines of a table are names of columns, and the names.

Each column gives evidence: a name above numbers, or above values that repeat, differs from the values; a first cell that occurs
again in its column, or that looks like the others, is a value. Where the evidence is balanced, tables named .csv or .tsv are
assumed to have a header, as most have, and the assumption is reported.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from recurra.data.series.value_columns import value_columns
from recurra.data.sources.usual_names import USUAL_NAMES

from .cells import column_type, is_missing, type_of
from .facts import FileFacts, ReadOptions

MAX_ROWS = 300  # rows that are compared with the first line
MAX_LINES = 3  # of a header
MIN_RUN = 5  # consecutive integers of a first line that names columns by them
SENTENCE_ENDS = ".!?。！？"
CERTAIN = 2.0  # evidence from which a header is certain
TYPED = ("integer", "number", "time")


@dataclass(frozen=True)
class HeaderDecision:
    """Number of header lines, the reason, and whether there is evidence for it."""

    lines: int
    reason: str
    certain: bool = True


def find_header(records: Sequence[Sequence[str]], options: ReadOptions, trained: FileFacts | None) -> HeaderDecision:
    """Return whether the first records of a table are its header.

    Args:
        records: the first records.
        options: what the user has set.
        trained: the facts of the training file, for a file that is given to a trained run.
    """
    if options.header == "no":
        return HeaderDecision(0, "as requested")
    first = [cell.strip() for cell in records[0]]
    lines = _header_lines(records)
    if options.header == "yes":
        return HeaderDecision(lines, "as requested")
    if named := next((name for name in options.named if name in first), None):
        return HeaderDecision(lines, f"it has the column {named!r}")
    if trained is not None and trained.header and _has_names(first, trained.names):
        return HeaderDecision(lines, "it has the names of the training file")
    if decision := _by_first_line(first, records):
        return decision
    score, reason = _by_columns(first, [record for record in records[lines:MAX_ROWS] if len(record) == len(first)])
    if trained is not None and abs(score) < CERTAIN:
        return HeaderDecision(trained.header_lines, "as in the training file", certain=False)
    if score == 0:
        return HeaderDecision(1, "assumed", certain=False)
    return HeaderDecision(lines if score > 0 else 0, reason, certain=abs(score) >= CERTAIN)


def _has_names(first: list[str], names: list[str]) -> bool:
    """Whether all names of the training file, or half of the first line, are in the first line."""
    same = set(first) & set(names)
    return bool(same) and (len(same) == len(set(names)) or 2 * len(same) >= len(set(first)))


def _by_first_line(first: list[str], records: Sequence[Sequence[str]]) -> HeaderDecision | None:
    """A decision that needs no other line."""
    filled = [cell for cell in first if cell]
    if _has_times_above_numbers(first, records):
        return HeaderDecision(1, "the first line has times above numbers")
    if filled and all(type_of(cell) in TYPED for cell in filled):
        if counts_columns(first) and list(records[1:2]) != [list(first)]:
            return HeaderDecision(1, "the first line counts the columns")
        return HeaderDecision(0, "the first line has only numbers")
    if (years := _run_of_numbers(first)) and not any(_run_of_numbers(record) for record in records[1:MAX_ROWS]):
        return HeaderDecision(_header_lines(records), f"the first line counts from {years[0]} to {years[1]}")
    if filled and all(cell.lower() in USUAL_NAMES for cell in filled):
        return HeaderDecision(_header_lines(records), "the first line has usual names")
    return None


def _has_times_above_numbers(first: Sequence[str], records: Sequence[Sequence[str]]) -> bool:
    """Whether names are consecutive dates or years, and the cells below are numbers, as where each row is a series."""
    found = value_columns(list(first))
    if found is None or not found.dated or len(set(first)) < len(first) or 2 * len(found.columns) < len(first):
        return False
    rows = [record for record in records[1:MAX_ROWS] if len(record) == len(first)]
    at = [list(first).index(column) for column in found.columns]
    types = [column_type([row[column] for row in rows]) for column in at]
    increasing = [label.isdigit() for label in found.times]
    years_below = any(
        row[column].strip().isdigit() and 1600 <= int(row[column]) <= 2200 for row in rows for column in at
    )
    if all(increasing) and years_below:
        return False  # A row of years among rows of numbers like years is a row.
    return bool(rows) and all(kind in ("integer", "number", "empty") for kind in types)


def _run_of_numbers(cells: Sequence[str]) -> tuple[str, str] | None:
    """The first and the last of at least MIN_RUN consecutive integers at the end, such as years; None if there are none.

    Names without numbers must precede them: `Country, 1960, 1961, ...`.
    """
    end = len(cells)
    while end and not cells[end - 1].strip():
        end -= 1
    begin = end
    while begin and cells[begin - 1].strip().isdecimal() and (
        begin == end or int(cells[begin]) - int(cells[begin - 1]) == 1
    ):  # fmt: skip
        begin -= 1
    if end - begin < MIN_RUN or not begin or any(type_of(cell) in TYPED for cell in cells[:begin]):
        return None
    return cells[begin], cells[end - 1]


def counts_columns(first: Sequence[str]) -> bool:
    """Whether cells are 0, 1, 2, ... or 1, 2, 3, ..., as names that a program has made."""
    cells = list(first[1:] if first and not first[0] else first)
    if len(cells) < 3 or not all(cell.isascii() and cell.isdigit() for cell in cells):
        return False
    numbers = [int(cell) for cell in cells]
    return numbers[0] in (0, 1) and all(b - a == 1 for a, b in pairwise(numbers))


def _by_columns(first: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[float, str]:
    """The evidence of all columns, positive for a header, and the reason with the most weight."""
    if not rows:
        return 0.0, ""
    evidence = [_equal_lengths(first, rows)]
    evidence += [_evidence(cell, [row[at].strip() for row in rows], at) for at, cell in enumerate(first)]
    score = sum(weight for weight, _ in evidence)
    same_side = [entry for entry in evidence if entry[0] * score > 0]
    return score, max(same_side, key=lambda entry: abs(entry[0]))[1] if same_side else ""


def _evidence(cell: str, values: Sequence[str], at: int) -> tuple[float, str]:
    """The weight of one column, and the reason."""
    filled = [value for value in values if value]
    kind, own = column_type(values), type_of(cell)
    name = repr(cell if len(cell) <= 30 else f"{cell[:27]}...")
    if not cell:
        return (-1.0, f"the first line has no cell in column {at + 1}") if at else (0.0, "")
    if kind in TYPED:
        if own in TYPED and not (own == "time" and kind != "time"):  # a time above numbers is a name
            return -2.0, f"the first line has the {'time' if own == 'time' else 'number'} {name} in column {at + 1}"
        if is_missing(cell):
            return 0.0, ""
        return 3.0, f"{name} stands above {'times' if kind == 'time' else 'numbers'}"
    if own in TYPED and kind == "text":
        return -1.0, f"the first line has the number {name} in column {at + 1}"
    if _are_numbers(cell) and sum(map(_are_numbers, filled)) > 0.9 * len(filled):
        return -2.0, f"the first line has the numbers {name} in column {at + 1}"
    if cell.lower() in USUAL_NAMES and cell not in filled:
        return 2.0, f"{name} is a usual name"
    distinct = set(filled)
    if cell in distinct:
        return -3.0, f"{name} of the first line occurs again in column {at + 1}"
    if len(filled) >= 8 and len(distinct) <= max(2, len(filled) // 4):
        return 2.0, f"{name} occurs nowhere else in column {at + 1}, whose values repeat"
    return _by_length(cell, filled, name, at)


def _are_numbers(cell: str) -> bool:
    """Whether a cell contains several numbers, such as the IDs of labels: 2,7."""
    return all(type_of(part) in TYPED for part in re.split(r"[,;| ]", cell.strip()))


def _equal_lengths(first: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[float, str]:
    """The evidence of pairs of texts of equal length, such as couplets."""
    texts = [[cell.strip() for cell in row] for row in rows]
    if len(first) != 2 or sum(len(a) == len(b) >= 2 for a, b in texts) < 0.9 * len(texts):
        return 0.0, ""
    if len({len(a) for a, _ in texts}) == 1 and len(first[0]) == len(first[1]) != len(texts[0][0]):
        return 1.0, "the texts of the first line are shorter or longer than the others"
    if len(first[0]) == len(first[1]):
        return -1.0, "the first line is a pair of texts of equal length, as the others"
    return 1.0, "the first line is not a pair of texts of equal length, as the others are"


def _by_length(cell: str, filled: Sequence[str], name: str, at: int) -> tuple[float, str]:
    """The evidence of a column of texts: a name is much shorter than the texts."""
    if not filled:
        return 0.0, ""
    lengths = sorted(map(len, filled))
    short, usual = lengths[len(lengths) // 10], lengths[len(lengths) // 2]
    like_name = len(cell.split()) <= 3 and len(cell) <= 30 and cell[-1] not in SENTENCE_ENDS
    if like_name and 3 * len(cell) <= usual and len(cell) < short:
        return 1.0, f"{name} is much shorter than the other cells of column {at + 1}"
    blanks = sum(" " in value for value in filled)
    if " " in cell and 2 * blanks > len(filled) and len(cell) >= short:
        return -1.0, f"{name} looks like the other cells of column {at + 1}"
    if cell[-1] in SENTENCE_ENDS and 2 * sum(value[-1] in SENTENCE_ENDS for value in filled) > len(filled):
        return -1.0, f"{name} looks like the other cells of column {at + 1}"
    return 0.0, ""


def _header_lines(records: Sequence[Sequence[str]]) -> int:
    """The number of lines of a header: further lines without a number above columns of numbers (yfinance, pandas)."""
    width = len(records[0])
    for lines in range(MAX_LINES, 1, -1):
        rows = [record for record in records[lines : lines + MAX_ROWS] if len(record) == width]
        if len(rows) < 2 or any(len(record) != width for record in records[:lines]):
            continue
        typed = [at for at in range(width) if column_type([row[at] for row in rows]) in TYPED]
        above = [{at: cell for at in typed if (cell := record[at].strip())} for record in records[1:lines]]
        if 2 * len(typed) > width and all(map(_are_names, above)):
            return lines
    return 1


def _are_names(cells: dict[int, str]) -> bool:
    """Whether the cells of a further header line, above columns of numbers, name groups, units, or the first column."""
    if any(type_of(cell) in (*TYPED, "empty") for cell in cells.values()):
        return False
    return len(cells) > 1 or list(cells) == [0]


# names -----------------------------------------------------------------------------------------------------------------
def column_names(records: Sequence[Sequence[str]], lines: int, width: int) -> tuple[list[str], list[str]]:
    """Return the unique names of the columns, and notes about names that had to be made."""
    if not lines:
        return [f"column {at}" for at in range(1, width + 1)], []
    names = [cell.strip() for cell in records[0]]
    if lines > 1:
        names = _joined_names([[cell.strip() for cell in record] for record in records[:lines]])
    notes = []
    if empty := [at for at, name in enumerate(names, 1) if not name]:
        notes.append(
            f"column{'s' * (len(empty) > 1)} {', '.join(map(str, empty[:5]))} without a name: 'column {empty[0]}'"
        )
    names = [name or f"column {at}" for at, name in enumerate(names, 1)]
    seen: dict[str, int] = {}
    unique: list[str] = []
    for name in names:
        count = seen.get(name, 0)
        other = name
        while count and (other in names or other in unique):
            other, count = f"{name}.{count}", count + 1
        seen[name] = max(count, 1)
        unique.append(other)
    if twice := sorted({name for name in names if names.count(name) > 1}):
        made = next(other for other, name in zip(reversed(unique), reversed(names), strict=True) if name == twice[0])
        notes.append(f"several columns are named {twice[0]!r}; the last one is read as {made!r}")
    return unique, notes


def _joined_names(lines: list[list[str]]) -> list[str]:
    """The names of a header of several lines: those of the first line, joined with the others where they are not unique."""
    first = list(lines[0])
    below = next((line[0] for line in reversed(lines) if line[0]), "")
    rest = [" ".join(dict.fromkeys(part for part in parts if part)) for parts in zip(*lines, strict=True)]
    unique = len(set(first[1:])) == len(first[1:]) and all(first[1:])
    return [below, *(first[1:] if unique else rest[1:])]
