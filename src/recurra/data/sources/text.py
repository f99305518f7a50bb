"""Text for a language model, in pieces: a plain file, a folder of them, or the text column of a table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from recurra.data.sources.columns import find_text
from recurra.data.sources.files import check_file, codec, open_lines, reading, suffixes, wrong_characters
from recurra.data.sources.rows import Source
from recurra.data.sources.sources import TABLES, locate, open_source
from recurra.errors import DataError

CHUNK = 1 << 16  # characters


class TextSource:
    """`chunks()` streams the text in pieces of some 64 Ki characters, line ends as "\\n"; it may be called again."""

    def __init__(self, name: str, path: Path, files: list[Path], encoding: str,
                 table: Source | None = None, column: str | None = None) -> None:  # fmt: skip
        self.name, self.path, self.column = name, path, column
        self._files, self._encoding, self._table = files, encoding, table

    def chunks(self) -> Iterator[str]:
        yield from self._of_table() if self._table is not None else self._of_files()

    def _of_files(self) -> Iterator[str]:
        for path in self._files:
            last = "\n"
            line = 1
            with reading(path), open_lines(path, self._encoding, None) as stream:
                while piece := stream.read(CHUNK):
                    if wrong_characters(piece, self._encoding):
                        for row, text in enumerate(piece.split("\n"), line):
                            if wrong := wrong_characters(text, self._encoding):
                                raise DataError(wrong, file=path, row=row)
                    line += piece.count("\n")
                    last = piece[-1]
                    yield piece
            if last != "\n" and len(self._files) > 1:
                yield "\n"

    def _of_table(self) -> Iterator[str]:
        assert self._table is not None and self.column is not None
        waiting: list[str] = []
        size = 0
        for row in self._table.rows():
            value = row.values[self.column]
            text = "" if value is None else str(value)
            waiting += text, "\n"
            size += len(text) + 1
            if size >= CHUNK:
                yield "".join(waiting)
                waiting, size = [], 0
        if waiting:
            yield "".join(waiting)


def open_text(data: str | Path, *, encoding: str = "utf-8", column: str | None = None,
              skip_broken: bool = False) -> TextSource:  # fmt: skip
    """The text of `data`; of a table the column `column`, or the one that looks like text, a row a line.

    Raises DataError where it is missing or empty, and where `column` is given for data without columns.
    """
    codec(encoding)
    hub = str(data).startswith("hf:")
    path, name = (Path(data), str(data)[3:].rsplit("/", 1)[-1]) if hub else locate(data)
    if hub or (path.is_file() and suffixes(path)[0] in TABLES):
        table = open_source(data, encoding=encoding, skip_broken=skip_broken)
        return TextSource(name, path, [], encoding, table, find_text(table, column))
    if column is not None:
        raise DataError(f"plain text has no columns, so column={column!r} means nothing here", file=path)
    if path.is_dir():
        every = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        files = [p for p in every if suffixes(p)[0] == ".txt"] or every
        files = [p for p in files if p.stat().st_size]
        if not files:
            raise DataError("there are no files with text in this folder", file=path)
        return TextSource(name, path, files, encoding)
    check_file(path)
    return TextSource(name, path, [path], encoding)
