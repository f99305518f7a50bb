"""Readers of sequences of tokens with a tag for each token: columns, CoNLL-U, parallel files, and tables whose cells are lists.

    columns   one token per line, columns separated by a tab or spaces, a blank line between sequences; columns "1", "2", ...
    conllu    Universal Dependencies: named columns; comments, multiword tokens and empty nodes are skipped
    parallel  a folder with seq.in, seq.out and, optionally, label: one sequence per line (ATIS, SNIPS)
    table     JSON lines, CSV, Parquet, hf:NAME: a cell is a list, or text whose tokens are separated by spaces

The values of a row are lists of equal length; the label of a sequence is text. Files of columns and tables are distinguished by
their content. Each file may be compressed by gzip (.gz).
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
WORDS, TAGS, LABEL = "words", "tags", "label"  # the columns of parallel files
_SPACES = re.compile("[ \t]+")
_NUMBER = re.compile(r"\d+(?:[-.]\d+)?")
_POSITION = re.compile(r"(?s)(.\D?)\d+")  # a character and its position in a word, as in the Weibo corpus
_DOCUMENT = "-DOCSTART-"
_SAMPLE = 2000  # lines from which the format of a file is inferred


class TokenColumns(Source):
    """A file of columns without a header. The names of the columns are numbers from 1."""

    format = "columns"

    @cached_property
    def _layout(self) -> tuple[bool, int]:
        """Whether tabs separate the columns, and the number of columns of the first token."""
        sample = [line for line in self._sample if line.strip(" \t")]
        tabs = all("\t" in line for line in sample)
        return tabs, len(self._cells(sample[0], tabs)) if sample else 0

    @cached_property
    def _sample(self) -> list[str]:
        with reading(self.path), open_lines(self.path, self.encoding, "\n") as stream:
            return [line.rstrip("\r\n") for line in islice(stream, _SAMPLE)]

    @property
    def columns(self) -> list[str]:
        """The numbers of the columns."""
        return [str(at) for at in range(1, self._layout[1] + 1)]

    @cached_property
    def has_positions(self) -> bool:
        """Whether each token is a character followed by its position in a word. The positions are removed."""
        tokens = [self._cells(line, self._layout[0])[0] for line in self._sample if line.strip(" \t")]
        tokens = [token for token in tokens if token != _DOCUMENT]
        return sum(bool(_POSITION.fullmatch(token)) for token in tokens) > 0.99 * len(tokens)

    def _cells(self, line: str, tabs: bool) -> list[str]:
        return line.split("\t") if tabs else _SPACES.split(line.strip(" \t"))

    def _read(self) -> Iterator[Row | DataError]:
        tabs, width = self._layout
        number = 0
        with reading(self.path), open_lines(self.path, self.encoding, "\n") as stream:
            for begin, lines in _groups(stream):
                tokens: list[list[str]] = []
                problem: tuple[int, str] | None = None
                for at, line in lines:
                    if self._is_skipped(line):
                        continue
                    cells = self._cells(line, tabs)
                    if problem is None:
                        problem = self._problem(at, line, cells, width)
                    if self.has_positions:
                        cells[0] = _POSITION.sub(r"\1", cells[0])
                    tokens.append(cells)
                if not tokens or (len(tokens) == 1 and tokens[0][0] == _DOCUMENT):
                    continue
                number += 1
                row = Row(number, {}, self.path, begin)
                if problem is not None:
                    row.line = problem[0]
                    yield row.error(problem[1])
                    continue
                row.values = dict(zip(self.columns, map(list, zip(*tokens, strict=True)), strict=True))
                yield row

    def _is_skipped(self, line: str) -> bool:
        return False

    def _problem(self, at: int, line: str, cells: list[str], width: int) -> tuple[int, str] | None:
        """The number `at` of the line and its problem; None if the line is valid."""
        if problem := wrong_characters(line, self.encoding):
            return at, problem
        if len(cells) != width:
            columns = f"{len(cells)} column{'s' * (len(cells) != 1)}"
            return at, f"{columns}, but the first token of the file has {width}; is a blank line or a column missing?"
        if not all(cells):
            return at, f"column {cells.index('') + 1} is empty"
        return None


class Conllu(TokenColumns):
    """A CoNLL-U file with its ten named columns."""

    format = "conllu"
    _layout = (True, len(CONLLU))

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(CONLLU)

    has_positions = False

    def _is_skipped(self, line: str) -> bool:
        """Skips comments, multiword tokens (3-4), whose words follow, and empty nodes (3.1), which are not in the text."""
        first = line.partition("\t")[0]
        return line.startswith("#") or "-" in first or "." in first


class ParallelFiles(Source):
    """A folder with the files seq.in (words), seq.out (tags) and, optionally, label (of the sequence), line by line."""

    format = "parallel"

    @cached_property
    def files(self) -> dict[str, Path]:
        """The file of each column. Raises DataError if seq.out is missing."""
        names = {WORDS: "seq.in", TAGS: "seq.out", LABEL: "label"}
        paths = {column: _with_gz(self.path / name) for column, name in names.items()}
        if paths[TAGS] is None:
            raise DataError("the folder contains seq.in but not seq.out, the tags", file=self.path)
        for path in (path for path in paths.values() if path):
            check_file(path)
        return {column: path for column, path in paths.items() if path}

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self.files)

    def _read(self) -> Iterator[Row | DataError]:
        paths = list(self.files.values())
        number = 0
        with ExitStack() as stack, reading(self.path):
            streams = [stack.enter_context(open_lines(path, self.encoding, "\n")) for path in paths]
            for line, texts in enumerate(zip_longest(*streams), 1):
                if None in texts:
                    short = paths[texts.index(None)]
                    long = next(path for path, text in zip(paths, texts, strict=True) if text is not None)
                    raise DataError(
                        f"ends after line {line - 1:,}, but {long.name} continues with line {line:,}; "
                        "the files must have one line for each sequence",
                        file=short,
                    )
                stripped = [text.strip() for text in texts]
                if not any(stripped):
                    continue
                number += 1
                row = Row(number, {}, paths[0], line)
                problems = [wrong_characters(text, self.encoding) for text in texts]
                if any(problems):
                    at = next(at for at, problem in enumerate(problems) if problem)
                    yield Row(number, {}, paths[at], line).error(problems[at] or "")
                    continue
                words, tags = stripped[0].split(), stripped[1].split()
                row.values = {WORDS: words, TAGS: tags}
                if LABEL in self.files:
                    row.values[LABEL] = stripped[2]
                yield row


def open_tagged(data: str | Path, *, encoding: str = "utf-8", skip_broken: bool = False) -> Source:
    """Open a file, folder or dataset of tagged sequences. Raises DataError if it is missing, empty or not supported."""
    options: dict[str, Any] = {"encoding": encoding, "skip_broken": skip_broken}
    if str(data).startswith("hf:"):
        return open_source(data, **options)
    codec(encoding)
    path, name = locate(data)
    if path.is_dir():
        if _with_gz(path / "seq.in") is None:
            raise DataError(
                "there is no seq.in in this folder; expected seq.in, seq.out and, optionally, label", file=path
            )
        return ParallelFiles(path, name, **options)
    check_file(path)
    form = _format(path, encoding)
    if form == "table":
        return open_source(path, **options)
    return (Conllu if form == "conllu" else TokenColumns)(path, bare_name(path), **options)


def looks_like_columns(path: Path, encoding: str = "utf-8") -> bool:
    """Whether a file is one of columns and not plain text: all lines have as many columns, and there are blank lines."""
    with reading(path), open_lines(path, encoding, "\n") as stream:
        sample = [line.rstrip("\r\n") for line in islice(stream, _SAMPLE)]
    lines = [line for line in sample if line.strip(" \t") and not line.startswith("# ")]
    tabs = all("\t" in line for line in lines)
    widths = {len(line.split("\t") if tabs else _SPACES.split(line.strip(" \t"))) for line in lines}
    return len(lines) > 1 and len(widths) == 1 and widths != {1} and len(lines) < len(sample)


def _format(path: Path, encoding: str) -> str:
    """The format of a file: table, conllu or columns."""
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
    if 2 * ten > len(head):  # errors in the others are reported with their lines
        return "conllu"
    while not sample[-1].strip(" \t"):
        sample.pop()
    if table is not None and len(lines) == len(sample):
        return "table"  # a header and rows without blank lines between them
    return "columns"


def _groups(stream: Iterator[str]) -> Iterator[tuple[int, list[tuple[int, str]]]]:
    """The first line number and the numbered lines of each group of lines that are not blank."""
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
    """`path` or, if it does not exist, `path` with .gz; None if neither exists."""
    zipped = path.with_name(f"{path.name}.gz")
    return path if path.is_file() else zipped if zipped.is_file() else None


def as_tokens(value: Any) -> Sequence[Any] | None:
    """The tokens of a cell: a list as it is, text split at spaces; None for other values."""
    if isinstance(value, str):
        return value.split()
    return value if isinstance(value, list) else None
