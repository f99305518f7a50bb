"""Readers of files of columns: one token per line, with blank lines between sentences.

    columns   columns separated by tabs, blanks or one of , ; |, with or without a header; named by it, or "1", "2", ...
    conllu    Universal Dependencies, also with other columns (.conllup); multiword tokens and empty nodes are skipped

The values of a row are lists of equal length. `column_layout.py` infers how a file is read. Each file may be compressed (.gz).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from recurra.data.sources.column_layout import ColumnLayout, is_mark, without_position
from recurra.data.sources.files import open_lines, reading, wrong_characters
from recurra.data.sources.rows import Row, Source
from recurra.errors import DataError

CONLLU = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
SAMPLE_LINES = 2000  # lines from which the format of a file is inferred
_NUMBER = re.compile(r"\d+(?:[-.]\d+)?")
_PLUS = re.compile(r"#\s*global\.columns\s*=\s*(.+)")


def sample_lines(path: Path, encoding: str) -> list[str]:
    """The first lines of a file, without line ends."""
    with reading(path), open_lines(path, encoding, "\n") as stream:
        return [line.rstrip("\r\n") for line in islice(stream, SAMPLE_LINES)]


class TokenColumns(Source):
    """A file of columns.

    Args:
        arguments: those of `Source`.
        has_header: whether the first token line names the columns; None: it is inferred.
        separator: the separator of the columns; None: it is inferred.
    """

    format = "columns"

    def __init__(
        self, *arguments: Any, has_header: bool | None = None, separator: str | None = None, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self.has_header, self.separator = has_header, separator
        self.skipped_comments, self.first_comment = 0, ""

    @cached_property
    def layout(self) -> ColumnLayout:
        """How the file is read."""
        return ColumnLayout(sample_lines(self.path, self.encoding), self.has_header, self.separator)

    @property
    def columns(self) -> list[str]:
        """The names of the columns: those of the header, or their numbers."""
        return self.layout.columns

    @property
    def has_positions(self) -> bool:
        """Whether each token is a character followed by its position in a word. The positions are removed."""
        return self.layout.has_positions

    def role_columns(self, free: Sequence[str]) -> list[str]:
        """The columns of `free` that may hold words or tags, the tags last."""
        return self.layout.role_columns(free)

    def describe(self) -> list[str]:
        """Lines about what the file contains besides tokens, after it has been read."""
        lines = self.layout.describe()
        if self.has_positions:
            lines.append("each character is followed by its position in a word; the positions are removed")
        if self.skipped_comments:
            lines.append(f"{self.skipped_comments:,} comment lines are skipped, the first: {self.first_comment[:60]!r}")
        return lines

    def _read(self) -> Iterator[Row | DataError]:
        self.skipped_comments = number = 0
        for lines in self._sentences():
            number += 1
            row = Row(number, {}, self.path, lines[0][0])
            tokens: list[list[str]] = []
            problem: tuple[int, str] | None = None
            for at, line in lines:
                cells = self.layout.cells(line)
                problem = problem or self._problem(at, line, cells)
                if self.has_positions:
                    cells[0] = without_position(cells[0])
                tokens.append(cells)
            if problem is not None:
                row.line = problem[0]
                yield row.error(problem[1])
                continue
            row.values = dict(zip(self.columns, map(list, zip(*tokens, strict=True)), strict=True))
            yield row

    def _sentences(self) -> Iterator[list[tuple[int, str]]]:
        """The numbered token lines of each sentence. Blank lines, marks of documents and comments separate sentences."""
        layout, sentence = self.layout, list[tuple[int, str]]()
        skip_header = layout.header is not None
        with reading(self.path), open_lines(self.path, self.encoding, "\n") as stream:
            for at, raw in enumerate(stream, 1):
                line = raw.rstrip("\r\n")
                is_comment = self._is_comment(line, begins=not sentence)
                if is_comment or not line.strip(" \t") or is_mark(line):
                    self._count(line, is_comment)
                    if sentence:
                        yield sentence
                        sentence = []
                elif skip_header:
                    skip_header = False
                elif not self._is_skipped(line):
                    sentence.append((at, line))
        if sentence:
            yield sentence

    def _count(self, line: str, is_comment: bool) -> None:
        if is_comment and not is_mark(line):
            if not self.skipped_comments:
                self.first_comment = line
            self.skipped_comments += 1

    def _is_comment(self, line: str, *, begins: bool) -> bool:
        return self.layout.is_comment(line, begins=begins)

    def _is_skipped(self, line: str) -> bool:
        return False

    def _problem(self, at: int, line: str, cells: list[str]) -> tuple[int, str] | None:
        """The number `at` of the line and its problem; None if the line is valid."""
        if problem := wrong_characters(line, self.encoding):
            return at, problem
        width = len(self.columns)
        if len(cells) != width:
            columns = f"{len(cells)} column{'s' * (len(cells) != 1)}"
            return at, f"{columns}, but most lines have {width}; is a blank line or a column missing?"
        if not all(cells):
            return at, f"column {cells.index('') + 1} is empty"
        return None


class Conllu(TokenColumns):
    """A CoNLL-U file with its ten named columns, or a CoNLL-U Plus file with those of its first line."""

    format = "conllu"
    has_positions = False

    @cached_property
    def layout(self) -> ColumnLayout:
        """The layout of CoNLL-U: tabs and no header."""
        return ColumnLayout(sample_lines(self.path, self.encoding), has_header=False, given_separator="\t")

    @cached_property
    def columns(self) -> list[str]:
        """The names of the columns, in lower case."""
        return plus_columns(self.layout.sample) or list(CONLLU)

    def role_columns(self, free: Sequence[str]) -> list[str]:
        """All columns: they are found by their names."""
        return list(free)

    def describe(self) -> list[str]:
        """No lines: the format is known."""
        return []

    def _is_comment(self, line: str, *, begins: bool) -> bool:
        return line.startswith("#") and ("\t" not in line or begins)

    def _is_skipped(self, line: str) -> bool:
        """Whether a line is a multiword token (3-4), whose words follow, or an empty node (3.1), which is not in the text."""
        if "id" not in self.columns:
            return False
        cells = line.split("\t")
        number = cells[min(self.columns.index("id"), len(cells) - 1)]
        return "-" in number or "." in number


def plus_columns(lines: Sequence[str]) -> list[str]:
    """The names of the columns of a CoNLL-U Plus file, in lower case, from the comment `# global.columns = ID FORM ...`."""
    match = _PLUS.match(lines[0]) if lines else None
    return [name.lower() for name in match[1].split()] if match else []


def looks_like_conllu(lines: list[str]) -> bool:
    """Whether most of the first tokens have ten columns separated by tabs, the first of which is a number."""
    if plus_columns(lines):
        return True
    head = [line for line in lines if line.strip(" \t") and not line.startswith("#")][:20]
    ten = sum(line.count("\t") == len(CONLLU) - 1 and bool(_NUMBER.fullmatch(line.partition("\t")[0])) for line in head)
    return 2 * ten > len(head)  # errors in the others are reported with their lines


def looks_like_columns(layout: ColumnLayout) -> bool:
    """Whether a file is one of columns and not plain text: the lines have as many columns, and there are blank lines."""
    groups = layout.groups
    token_lines = sum(map(len, groups))
    other = sum(
        bool(line.strip())
        and not is_mark(line)
        and len(layout.cells(line)) != layout.width
        and not line.startswith("#")
        for line in layout.sample
    )
    return token_lines > len(groups) > 1 and not other and layout.width > 1
