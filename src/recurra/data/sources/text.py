"""Text for a language model in chunks: a plain file, a folder of files, or the text column of a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from recurra.data.sources.columns import find_text
from recurra.data.sources.files import check_file, open_lines, reading, resolved, suffixes, wrong_characters
from recurra.data.sources.inspect.cells import shortened
from recurra.data.sources.inspect.facts import FileFacts, ReadOptions
from recurra.data.sources.row_errors import BadRows
from recurra.data.sources.rows import Source
from recurra.data.sources.sources import TABLES, locate, open_source
from recurra.data.sources.usual_names import LYRICS_NAMES
from recurra.errors import DataError

CHUNK_CHARACTERS = 1 << 16


class TextSource:
    """A text that is read in chunks.

    name       name of the data, from which the name of a run is derived
    path       file or folder, for messages
    files      files that are concatenated, where the source is no table
    encoding   encoding of the files, or "auto"
    table      table that contains the text, or None
    column     text column of the table
    bad        the rows of the table without text, of the latest pass
    on_skip    called with the error of each row that is skipped; None: nothing is called
    """

    def __init__(self, name: str, path: Path, files: list[Path], encoding: str,
                 table: Source | None = None, column: str | None = None) -> None:  # fmt: skip
        self.name, self.path, self.column = name, path, column
        self._files, self._encoding, self._table = files, encoding, table
        self.bad = BadRows(path, skip=False)
        self.on_skip: Callable[[DataError], None] | None = None

    def describe(self) -> list[str]:
        """Return which column is read and how, and which rows were skipped, for a table."""
        if self._table is None or self.column is None:
            return []
        reason = self._table.reasons.get(self.column, "")
        lists = any(isinstance(row.values.get(self.column), list) for row in self._table.first_rows())
        joined = ", lists of lines joined by line ends" if lists else ""
        skipped = self.bad.count + self._table.broken.count
        return [
            f"text: column {self.column!r}{joined} ({reason}; --text names another one)",
            *([f"{skipped:,} rows without usable text skipped"] if skipped else []),
        ]

    def chunks(self) -> Iterator[str]:
        """Yield the text from its beginning in chunks of about 64 Ki characters, with "\\n" as line break."""
        yield from self._read_table() if self._table is not None else self._read_files()

    def _read_files(self) -> Iterator[str]:
        for path in self._files:
            last = "\n"
            line = 1
            encoding = resolved(path, self._encoding)
            with reading(path), open_lines(path, encoding, None) as stream:
                while chunk := stream.read(CHUNK_CHARACTERS):
                    if wrong_characters(chunk, encoding):
                        for row, text in enumerate(chunk.split("\n"), line):
                            if problem := wrong_characters(text, encoding):
                                raise DataError(problem, file=path, row=row)
                    line += chunk.count("\n")
                    last = chunk[-1]
                    yield chunk
            if last != "\n" and len(self._files) > 1:
                yield "\n"

    def _read_table(self) -> Iterator[str]:
        assert self._table is not None and self.column is not None
        self.bad = bad = BadRows(self.path, self._table.skip_broken, self.on_skip)
        self._table.on_skip = self.on_skip
        buffer: list[str] = []
        size, usable = 0, False
        for row in self._table.rows():
            try:
                text = text_of(row.values[self.column], self.column)
            except ValueError as error:
                bad.add_error(row.error(str(error), self.column))
                continue
            usable = True
            buffer += text, "\n"
            size += len(text) + 1
            if size >= CHUNK_CHARACTERS:
                yield "".join(buffer)
                buffer, size = [], 0
        bad.settle(others=usable)
        if buffer:
            yield "".join(buffer)


def text_of(value: Any, column: str = "text") -> str:
    """The text of a cell: a text, a number, or a list of lines, which line ends join. Raises ValueError for other values.

    >>> text_of(["one", "two"]), text_of(3), text_of(None)
    ('one\\ntwo', '3', '')
    """
    if value is None:
        return ""
    if isinstance(value, (str, int, float)):
        return str(value)
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "\n".join(value)
    what = "an object" if isinstance(value, dict) else f"a {type(value).__name__}"
    inner = (
        next((f"; --text {column}.{key} reads its key {key!r}" for key in value), "") if isinstance(value, dict) else ""
    )
    raise ValueError(f"is {what}, {shortened(value)}; expected text or a list of lines{inner}")


def open_text(data: str | Path, *, encoding: str = "auto", column: str | None = None, skip_broken: bool = False,
              options: ReadOptions | None = None, trained: FileFacts | None = None) -> TextSource:  # fmt: skip
    """Open the text of a file, a folder or a table.

    data          file, folder, name of a built-in dataset, or `hf:NAME`
    encoding      encoding of text files; detected by default
    column        text column of a table, each row of which is one line; None selects the column that contains text
    skip_broken   whether rows of a table that cannot be read are skipped instead of raising
    options       how a table is read, where it is not detected; replaces `encoding`
    trained       facts of the training file, for data that are given to a trained run

    Raises DataError where the text is missing or empty, and where `column` is given for data without columns.
    """
    options = options or ReadOptions(encoding=encoding)
    hub = str(data).startswith("hf:")
    path, name = (Path(data), str(data)[3:].rsplit("/", 1)[-1]) if hub else locate(data)
    if hub or (path.is_file() and suffixes(path)[0] in TABLES):
        table = open_source(data, skip_broken=skip_broken, options=options, trained=trained)
        return TextSource(name, path, [], options.encoding, table, find_text(table, column, names=LYRICS_NAMES))
    if column is not None:
        raise DataError(f"plain text has no columns, but the column {column!r} was requested", file=path)
    if path.is_dir():
        all_files = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        files = [p for p in all_files if suffixes(p)[0] == ".txt"] or all_files
        files = [p for p in files if p.stat().st_size]
        if not files:
            raise DataError("this folder contains no text files", file=path)
        return TextSource(name, path, files, options.encoding)
    check_file(path)
    return TextSource(name, path, [path], options.encoding)
