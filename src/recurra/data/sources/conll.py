"""Rows of tokens with a tag each: columns, CoNLL-U, line triples, and tables whose cells are lists.

    columns    a token a line, its columns parted by a tab or blanks, a blank line between rows; columns "1", "2", ...
    conllu     Universal Dependencies: columns by their names; comments, multiword tokens and empty nodes are left out
    triple     a folder with seq.in, seq.out and, if there is one, label: a row a line (ATIS, SNIPS)
    table      JSON lines, CSV, Parquet, hf:NAME: a list a cell, or text with blanks between the tokens

A source gives each row's columns as lists of equal length; a label of the whole row is text. Files of columns are told
from tables by what is in them, each also `.gz`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import cached_property
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from recurra.data.sources.files import bare_name, check_file, codec, open_lines, reading, suffixes, wrong_characters
from recurra.data.sources.rows import Row, Source
from recurra.data.sources.sources import TABLES, locate, open_source
from recurra.errors import DataError

CONLLU = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
WORDS, TAGS, LABEL = "words", "tags", "label"  # the columns of a triple
_BLANKS = re.compile("[ \t]+")
_NUMBER = re.compile(r"\d+(?:[-.]\d+)?")
_PLACE = re.compile(r"(?s)(.\D?)\d+")  # a character and its place in a word, as the Weibo corpus has it
_DOCUMENT = "-DOCSTART-"
_SAMPLE = 2000  # lines looked at to tell what a file is


class TokenColumns(Source):
    """A file of columns. The columns have numbers from 1, and no header."""

    format = "columns"

    @cached_property
    def _form(self) -> tuple[bool, int]:
        """Whether tabs part the columns, and how many the first token has."""
        sample = [line for line in self._sample if line.strip(" \t")]
        tabs = all("\t" in line for line in sample)
        return tabs, len(self._cells(sample[0], tabs)) if sample else 0

    @cached_property
    def _sample(self) -> list[str]:
        with reading(self.path), open_lines(self.path, self.encoding, "\n") as stream:
            return [line.rstrip("\r\n") for line in islice(stream, _SAMPLE)]

    @property
    def columns(self) -> list[str]:
        return [str(at) for at in range(1, self._form[1] + 1)]

    @cached_property
    def places(self) -> bool:
        """Whether each token is a character and the number of its place in a word: the number is left out."""
        tokens = [self._cells(line, self._form[0])[0] for line in self._sample if line.strip(" \t")]
        tokens = [token for token in tokens if token != _DOCUMENT]
        return sum(bool(_PLACE.fullmatch(token)) for token in tokens) > 0.99 * len(tokens)

    def _cells(self, line: str, tabs: bool) -> list[str]:
        return line.split("\t") if tabs else _BLANKS.split(line.strip(" \t"))

    def _read(self) -> Iterator[Row | DataError]:
        tabs, width = self._form
        number = 0
        with reading(self.path), open_lines(self.path, self.encoding, "\n") as stream:
            for begin, lines in _groups(stream):
                tokens: list[list[str]] = []
                wrong: tuple[int, str] | None = None
                for at, line in lines:
                    if self._left_out(line):
                        continue
                    cells = self._cells(line, tabs)
                    if wrong is None:
                        wrong = self._wrong(at, line, cells, width)
                    if self.places:
                        cells[0] = _PLACE.sub(r"\1", cells[0])
                    tokens.append(cells)
                if not tokens or (len(tokens) == 1 and tokens[0][0] == _DOCUMENT):
                    continue
                number += 1
                row = Row(number, {}, self.path, begin)
                if wrong is not None:
                    row.line = wrong[0]
                    yield row.error(wrong[1])
                    continue
                row.values = dict(zip(self.columns, map(list, zip(*tokens, strict=True)), strict=True))
                yield row

    def _left_out(self, line: str) -> bool:
        return False

    def _wrong(self, at: int, line: str, cells: list[str], width: int) -> tuple[int, str] | None:
        """What is wrong with line `at`, or None."""
        if said := wrong_characters(line, self.encoding):
            return at, said
        if len(cells) != width:
            columns = f"{len(cells)} column{'s' * (len(cells) != 1)}"
            return at, f"{columns}, but the first token of the file has {width}; is a blank line missing, or a column?"
        if not all(cells):
            return at, f"column {cells.index('') + 1} is empty"
        return None


class Conllu(TokenColumns):
    """CoNLL-U, its ten columns by their names."""

    format = "conllu"
    _form = (True, len(CONLLU))

    @property
    def columns(self) -> list[str]:
        return list(CONLLU)

    places = False

    def _left_out(self, line: str) -> bool:
        """Comments, multiword tokens (3-4) and empty nodes (3.1): their words stand beside them, or not in the text."""
        first = line.partition("\t")[0]
        return line.startswith("#") or "-" in first or "." in first


class LineTriple(Source):
    """A folder with seq.in (words), seq.out (tags) and label (of the row), line by line; the last may be missing."""

    format = "triple"

    @cached_property
    def files(self) -> dict[str, Path]:
        """column -> file. DataError where one is missing."""
        wanted = {WORDS: "seq.in", TAGS: "seq.out", LABEL: "label"}
        found = {column: _with_gz(self.path / name) for column, name in wanted.items()}
        if found[TAGS] is None:
            raise DataError("has a seq.in and no seq.out, the tags", file=self.path)
        for path in (path for path in found.values() if path):
            check_file(path)
        return {column: path for column, path in found.items() if path}

    @property
    def columns(self) -> list[str]:
        return list(self.files)

    def _read(self) -> Iterator[Row | DataError]:
        first = next(iter(self.files.values()))
        number = 0
        with ExitStack() as stack, reading(self.path):
            streams = [stack.enter_context(open_lines(path, self.encoding, "\n")) for path in self.files.values()]
            for line, texts in enumerate(zip_longest(*streams), 1):
                if None in texts:
                    at = texts.index(None)
                    short, long = (
                        list(self.files.values())[at],
                        next(path for path, text in zip(self.files.values(), texts, strict=True) if text is not None),
                    )
                    raise DataError(
                        f"ends after line {line - 1:,}, but {long.name} goes on with line {line:,}; "
                        "the files must have a line each for every row",
                        file=short,
                    )
                stripped = [text.strip() for text in texts]
                if not any(stripped):
                    continue
                number += 1
                row = Row(number, {}, first, line)
                wrong = [wrong_characters(text, self.encoding) for text in texts]
                if any(wrong):
                    at = next(at for at, said in enumerate(wrong) if said)
                    yield Row(number, {}, list(self.files.values())[at], line).error(wrong[at] or "")
                    continue
                words, tags = stripped[0].split(), stripped[1].split()
                row.values = {WORDS: words, TAGS: tags}
                if LABEL in self.files:
                    row.values[LABEL] = stripped[2]
                yield row


def open_tagged(data: str | Path, *, encoding: str = "utf-8", skip_broken: bool = False) -> Source:
    """The rows of `data`. Raises DataError where it is missing, empty, or of a kind that is not read."""
    options: dict[str, Any] = {"encoding": encoding, "skip_broken": skip_broken}
    if str(data).startswith("hf:"):
        return open_source(data, **options)
    codec(encoding)
    path, name = locate(data)
    if path.is_dir():
        if _with_gz(path / "seq.in") is None:
            raise DataError(
                "there is no seq.in in this folder; wanted seq.in, seq.out and, if there is one, label", file=path
            )
        return LineTriple(path, name, **options)
    check_file(path)
    kind = _kind(path, encoding)
    if kind == "table":
        return open_source(path, **options)
    return (Conllu if kind == "conllu" else TokenColumns)(path, bare_name(path), **options)


def looks_like_columns(path: Path, encoding: str = "utf-8") -> bool:
    """Whether a file that may be plain text is one of columns: as many in every line, and blank lines between the rows."""
    with reading(path), open_lines(path, encoding, "\n") as stream:
        sample = [line.rstrip("\r\n") for line in islice(stream, _SAMPLE)]
    lines = [line for line in sample if line.strip(" \t") and not line.startswith("# ")]
    tabs = all("\t" in line for line in lines)
    widths = {len(line.split("\t") if tabs else _BLANKS.split(line.strip(" \t"))) for line in lines}
    return len(lines) > 1 and len(widths) == 1 and widths != {1} and len(lines) < len(sample)


def _kind(path: Path, encoding: str) -> str:
    """table, conllu or columns."""
    suffix = suffixes(path)[0]
    table = TABLES.get(suffix)
    if table in ("jsonl", "parquet"):
        return "table"
    with reading(path), open_lines(path, encoding, "\n") as stream:
        sample = [line.rstrip("\r\n") for line in islice(stream, _SAMPLE)]
    lines = [line for line in sample if line.strip(" \t")]
    if not lines:
        raise DataError("there are no rows of data", file=path)
    tokens = [line for line in lines if not line.startswith("#")]
    head = tokens[:20]
    ten = sum(line.count("\t") == len(CONLLU) - 1 and bool(_NUMBER.fullmatch(line.partition("\t")[0])) for line in head)
    if 2 * ten > len(head):  # what is wrong with the others is told with their lines
        return "conllu"
    while not sample[-1].strip(" \t"):
        sample.pop()
    if table is not None and len(lines) == len(sample):
        return "table"  # a header, and rows without blank lines between them
    return "columns"


def _groups(stream: Iterator[str]) -> Iterator[tuple[int, list[tuple[int, str]]]]:
    """(line it begins on, its numbered lines) for each run of lines that are not blank."""
    group: list[tuple[int, str]] = []
    for at, raw in enumerate(stream, 1):
        line = raw.rstrip("\r\n")
        if line.strip(" \t"):
            group.append((at, line))
        elif group:
            yield group[0][0], group
            group = []
    if group:
        yield group[0][0], group


def _with_gz(path: Path) -> Path | None:
    """`path`, or it with .gz, or None where there is neither."""
    zipped = path.with_name(f"{path.name}.gz")
    return path if path.is_file() else zipped if zipped.is_file() else None


def as_tokens(value: Any) -> Sequence[Any] | None:
    """A cell as a list of tokens: a list as it is, text cut at blanks; None for anything else."""
    if isinstance(value, str):
        return value.split()
    return value if isinstance(value, list) else None
