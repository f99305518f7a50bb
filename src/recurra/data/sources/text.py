"""Text for a language model in chunks: a plain file, a folder of files, or the text column of a table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from recurra.data.sources.columns import find_text
from recurra.data.sources.files import check_file, codec, open_lines, reading, suffixes, wrong_characters
from recurra.data.sources.rows import Source
from recurra.data.sources.sources import TABLES, locate, open_source
from recurra.errors import DataError

CHUNK_CHARACTERS = 1 << 16


class TextSource:
    """A text that is read in chunks.

    name       name of the data, from which the name of a run is derived
    path       file or folder, for messages
    files      files that are concatenated, where the source is no table
    encoding   encoding of the files
    table      table that contains the text, or None
    column     text column of the table
    """

    def __init__(self, name: str, path: Path, files: list[Path], encoding: str,
                 table: Source | None = None, column: str | None = None) -> None:  # fmt: skip
        self.name, self.path, self.column = name, path, column
        self._files, self._encoding, self._table = files, encoding, table

    def chunks(self) -> Iterator[str]:
        """Yield the text from its beginning in chunks of about 64 Ki characters, with "\\n" as line break."""
        yield from self._read_table() if self._table is not None else self._read_files()

    def _read_files(self) -> Iterator[str]:
        for path in self._files:
            last = "\n"
            line = 1
            with reading(path), open_lines(path, self._encoding, None) as stream:
                while chunk := stream.read(CHUNK_CHARACTERS):
                    if wrong_characters(chunk, self._encoding):
                        for row, text in enumerate(chunk.split("\n"), line):
                            if problem := wrong_characters(text, self._encoding):
                                raise DataError(problem, file=path, row=row)
                    line += chunk.count("\n")
                    last = chunk[-1]
                    yield chunk
            if last != "\n" and len(self._files) > 1:
                yield "\n"

    def _read_table(self) -> Iterator[str]:
        assert self._table is not None and self.column is not None
        buffer: list[str] = []
        size = 0
        for row in self._table.rows():
            value = row.values[self.column]
            text = "" if value is None else str(value)
            buffer += text, "\n"
            size += len(text) + 1
            if size >= CHUNK_CHARACTERS:
                yield "".join(buffer)
                buffer, size = [], 0
        if buffer:
            yield "".join(buffer)


def open_text(data: str | Path, *, encoding: str = "utf-8", column: str | None = None,
              skip_broken: bool = False) -> TextSource:  # fmt: skip
    """Open the text of a file, a folder or a table.

    data          file, folder, name of a built-in dataset, or `hf:NAME`
    encoding      encoding of text files
    column        text column of a table, each row of which is one line; None selects the column that contains text
    skip_broken   whether rows of a table that cannot be read are skipped instead of raising

    Raises DataError where the text is missing or empty, and where `column` is given for data without columns.
    """
    codec(encoding)
    hub = str(data).startswith("hf:")
    path, name = (Path(data), str(data)[3:].rsplit("/", 1)[-1]) if hub else locate(data)
    if hub or (path.is_file() and suffixes(path)[0] in TABLES):
        table = open_source(data, encoding=encoding, skip_broken=skip_broken)
        return TextSource(name, path, [], encoding, table, find_text(table, column))
    if column is not None:
        raise DataError(f"plain text has no columns, but the column {column!r} was requested", file=path)
    if path.is_dir():
        all_files = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        files = [p for p in all_files if suffixes(p)[0] == ".txt"] or all_files
        files = [p for p in files if p.stat().st_size]
        if not files:
            raise DataError("this folder contains no text files", file=path)
        return TextSource(name, path, files, encoding)
    check_file(path)
    return TextSource(name, path, [path], encoding)
