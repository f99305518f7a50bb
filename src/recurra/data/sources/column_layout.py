"""The layout of a file of columns, with one token per line: separator, header, comments, and what each column holds.

The layout is inferred from the first lines. A line of the file is blank, a mark between documents, a comment, or a token:

    -DOCSTART- -X- O O      a mark; also `#begin document`, `#end document`, `###MEDLINE:123`, and <s> alone in its line
    # id 17 domain=en       a comment: it begins with #, and is not a token by its columns
    #holiday O              a token: it has as many columns as the others, and a tag that they have
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from recurra.data.sources.usual_names import TOKEN_NAMES, TOKEN_VALUE_NAMES
from recurra.data.words.pretokenize import HAN
from recurra.data.words.tag_notation import find_notation

_MARK = re.compile(
    r"(?i)-DOCSTART-|#\s*(begin|end) document\b|###\s*[A-Za-z][\w.-]*:|</?(s|p|doc|text|sent|sentence|head)(\s[^<>]*)?/?>\s*$"
)
_CHARACTER_WITH_POSITION = re.compile(r"(?s)(.\D?)(\d+)")  # as in the Weibo corpus
_HAN_CHARACTER = re.compile(f"[{HAN}]")
_COMMENT = re.compile(r"#\s*((id|sent_id|newdoc|newpar|text|source|url|title|docid|doc_id|sentence)\b|\S+\s*=)")
_DELIMITERS = ",;|"
_SEPARATOR_NAMES = {"\t": "tabs", " ": "blanks", ",": "commas", ";": "semicolons"}
_FEW_LINES = 20
_CONSISTENT = 0.9  # of the lines must have the same number of columns for a separator to be accepted


def is_mark(line: str) -> bool:
    """Whether a line is a mark between documents.

    >>> [is_mark(line) for line in ("-DOCSTART- (12)", "#begin document (x); part 0", "###MEDLINE:91", "#ner O")]
    [True, True, True, False]
    """
    return _MARK.match(line.lstrip()) is not None


def split_line(line: str, separator: str) -> list[str]:
    """The cells of a line, without surrounding blanks. Separators at the end of the line make no cell.

    >>> split_line("Oslo\\tB-LOC \\t", "\\t"), split_line('",",O', ",")
    (['Oslo', 'B-LOC'], [',', 'O'])
    """
    if separator == " ":
        return line.split()
    line = line.rstrip(" \t\r\n")
    if separator == "\t":
        return [cell.strip() for cell in line.split("\t")]
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=separator, strict=True), [])]
    except csv.Error:
        return [cell.strip() for cell in line.split(separator)]


@dataclass
class ColumnLayout:
    """How the lines of a file are split and read.

    Attributes:
        sample: the first lines of the file.
        has_header: whether the first token line names the columns; None: it does if it looks like names.
        given_separator: the separator; None: it is inferred.
    """

    sample: Sequence[str]
    has_header: bool | None = None
    given_separator: str | None = None
    _lines: list[str] = field(init=False)

    def __post_init__(self) -> None:
        lines = [line for line in self.sample if line.strip() and not is_mark(line)]
        self._lines = [line for line in lines if not line.startswith("#")] or lines

    @cached_property
    def separator(self) -> str:
        """Tab, blank, or one of , ; |: tabs if most lines contain one, blanks if they give columns, else a delimiter."""
        if self.given_separator is not None:
            return self.given_separator
        tabs = sum("\t" in line.rstrip() for line in self._lines)
        if 2 * tabs > len(self._lines):
            return "\t"
        for separator in " " + _DELIMITERS:
            width, share = _most_common([len(split_line(line, separator)) for line in self._lines])
            if width > 1 and share >= _CONSISTENT:
                return separator
        return " "

    def cells(self, line: str) -> list[str]:
        """The cells of a line."""
        return split_line(line, self.separator)

    @cached_property
    def width(self) -> int:
        """The number of columns of most lines; 0 for a file without tokens."""
        return _most_common([len(self.cells(line)) for line in self._lines])[0]

    @cached_property
    def _first(self) -> list[str]:
        return self.cells(self._lines[0]) if self._lines else []

    @cached_property
    def header(self) -> list[str] | None:
        """The names in the first token line, or None if it is a token.

        Names are recognized by usual names of columns, with a last cell that is no tag of the other lines.
        """
        first = self._first
        if self.has_header is not None:
            return first if self.has_header and first else None
        lower = [cell.lower() for cell in first]
        known = [cell in TOKEN_NAMES or cell in TOKEN_VALUE_NAMES for cell in lower]
        names_words = any(cell in TOKEN_NAMES for cell in lower)
        if len(first) < 2 or len(set(lower)) < len(lower) or not (names_words or all(known)) or sum(known) < 1:
            return None
        if len(first) != self.width:
            return None
        others = {self.cells(line)[-1] for line in self._lines[1:] if line.strip()}
        if first[-1] in others or (not known[-1] and len(others) > len(self._lines) / 2):
            return None
        return first

    @cached_property
    def columns(self) -> list[str]:
        """The names of the columns: those of the header, else their numbers from 1."""
        if self.header is None:
            return [str(at) for at in range(1, self.width + 1)]
        return [name or str(at) for at, name in enumerate(self.header, 1)]

    def role_columns(self, free: Sequence[str]) -> list[str]:
        """The columns of `free` that may hold words or tags, the tags last.

        Columns of numbers of tokens and of IDs are none; a last column with the same value everywhere holds no tags.
        """
        found = [column for column in free if column not in self.counters]
        while len(found) > 1 and found[-1] in self.constants:
            found.pop()
        if self.begins_with_tags and self.columns[0] in found:
            found = [*found[1:], found[0]]
        return found

    @cached_property
    def begins_with_tags(self) -> bool:
        """Whether the first column contains the tags of spans, and the last one does not."""
        rows = [cells for group in self.groups for cells in group]
        first, last = ({cells[at] for cells in rows} for at in (0, -1)) if self.width > 1 else (set(), set())
        return find_notation(first) is not None and find_notation(last) is None

    # comments ----------------------------------------------------------------------------------------------------------
    @cached_property
    def _tags(self) -> set[str]:
        rows = (self.cells(line) for line in self._lines)
        return {cells[-1] for cells in rows if len(cells) == self.width}

    def is_comment(self, line: str, *, begins: bool) -> bool:
        """Whether a line is a comment. `begins`: no token precedes it since the last blank line."""
        if not line.startswith("#"):
            return False
        cells = self.cells(line)
        detached = line[1:2] in (" ", "\t", "")  # `# text`, and not `#word`
        if len(cells) != self.width or self.width < 2:
            return begins or detached
        return (
            detached and begins and cells[-1] not in self._tags and (bool(_COMMENT.match(line)) or self._has_comments)
        )

    @cached_property
    def _has_comments(self) -> bool:
        """Whether lines `# ...` are comments although they have as many columns as a token and an unknown last cell.

        They are if other such lines have another number of columns, if their last cells vary, or if half of the sentences begin
        with one.
        """
        begins, last, count, sentences = True, set[str](), 0, 0
        for line in self.sample:
            if begins and re.match(r"#[ \t]", line):
                cells = self.cells(line)
                if len(cells) != self.width:
                    return True
                count += cells[-1] not in self._tags
                last.add(cells[-1])
            elif begins and line.strip():
                sentences += 1
            begins = not line.strip() or (begins and line.startswith("#"))
        return len(last - self._tags) > 1 or 2 * count > sentences

    # columns -----------------------------------------------------------------------------------------------------------
    @cached_property
    def groups(self) -> list[list[list[str]]]:
        """The cells of the sample by sentence; lines with another number of columns are left out."""
        found: list[list[list[str]]] = [[]]
        skip_header = self.header is not None
        for line in self.sample:
            if not line.strip() or is_mark(line) or self.is_comment(line, begins=not found[-1]):
                found.append([])
                continue
            cells = self.cells(line)
            if skip_header:
                skip_header = False
            elif len(cells) == self.width:
                found[-1].append(cells)
        return [group for group in found if group]

    @cached_property
    def counters(self) -> dict[str, str]:
        """Columns that hold no words, with the reason: numbers of tokens, or IDs of documents or sentences.

        Only columns before the words are examined; the last column is none of them.
        """
        found: dict[str, str] = {}
        for at in range(self.width - 1):
            values = [[cells[at] for cells in group] for group in self.groups]
            reason = _counter_reason(values)
            if reason is None or len(found) == self.width - 2:
                break
            found[self.columns[at]] = reason
        return found

    @cached_property
    def constants(self) -> set[str]:
        """Columns after the first one that have the same value in every line, where there are more than a few lines."""
        rows = [cells for group in self.groups for cells in group]
        if len(rows) < _FEW_LINES:
            return set()
        return {self.columns[at] for at in range(1, self.width) if len({cells[at] for cells in rows}) == 1}

    @cached_property
    def has_positions(self) -> bool:
        """Whether each token is a character followed by its position in a word, as in the Weibo corpus.

        The positions of a word count up from 0, and most characters are Chinese; other tokens may end in digits.
        """
        chinese = total = continued = 0
        for group in self.groups:
            before = -1
            for cells in group:
                match = _CHARACTER_WITH_POSITION.fullmatch(cells[0])
                if match is None or int(match[2]) not in (0, before + 1):
                    return False
                before = int(match[2])
                chinese, total = chinese + bool(_HAN_CHARACTER.match(match[1])), total + 1
                continued += before > 0
        return continued > 0 and 2 * chinese > total

    def describe(self) -> list[str]:
        """Lines about the header and the columns that are not used."""
        named = "no header" if self.header is None else f"the first line names the columns: {', '.join(self.header)}"
        lines = [f"columns separated by {_SEPARATOR_NAMES.get(self.separator, self.separator)}; {named}"]
        if self.begins_with_tags:
            lines.append("the first column contains the tags")
        lines += [f"column {column}: {reason}, no words" for column, reason in self.counters.items()]
        return lines


def without_position(token: str) -> str:
    """A character without its position in a word."""
    return _CHARACTER_WITH_POSITION.sub(r"\1", token)


def _counter_reason(groups: Sequence[Sequence[str]]) -> str | None:
    """Why the cells of a column, by sentence, are not words; None if they may be words."""
    several = [values for values in groups if len(values) > 1]
    if not several or len(groups) < 2:
        return None
    if all(counts_up(values) for values in groups):
        return "it counts the tokens"
    constant = all(len(set(values)) == 1 for values in groups)
    return "it has one value for each sentence" if constant else None


def counts_up(values: Sequence[str]) -> bool:
    """Whether values are consecutive numbers.

    >>> counts_up(["1", "2", "3"]), counts_up(["17", "71"])
    (True, False)
    """
    if not all(value.isdecimal() for value in values):
        return False
    return all(int(b) == int(a) + 1 for a, b in pairwise(values))


def _most_common(values: Iterable[int]) -> tuple[int, float]:
    """The most common value and its share; (0, 0) without values."""
    counts = Counter(values)
    if not counts:
        return 0, 0.0
    value, count = counts.most_common(1)[0]
    return value, count / counts.total()
