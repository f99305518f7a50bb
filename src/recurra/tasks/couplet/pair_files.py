"""The files of couplets: tables, two files with one text per line, or one file with both halves on a line, `上联，下联。`.

Characters that blanks separate, `天 花`, are joined.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, final

from ...data.sources.files import open_lines, reading, resolved, wrong_characters
from ...data.sources.inspect.cells import shortened
from ...data.sources.parallel_text import Parallel
from ...data.sources.reading import FileReading
from ...data.sources.rows import Row, Source
from ...data.sources.sources import locate
from ..shared.target_files import TargetFiles

COLUMNS = ["source", "target"]
ENDS = "。！？.!?；;"  # of a couplet
MIDDLES = "，,；;、：: \t　"  # between its halves
SAMPLE, MIN_HALVES = (
    200,
    0.9,
)  # lines from which a file of couplets is recognized, and the share of them that have two halves


def join_characters(text: Any) -> Any:
    """Return a text without the blanks between its characters, if every character stands alone; other values unchanged."""
    if not isinstance(text, str) or " " not in text.strip():
        return text.strip() if isinstance(text, str) and text != text.strip() and len(text.strip()) == 1 else text
    parts = text.split()
    return "".join(parts) if all(len(part) == 1 and not part.isascii() for part in parts) else text


def halves(line: str) -> tuple[str, str] | None:
    """Return the halves of a couplet on one line, which have equal length and a mark between them; None for other lines."""
    body = str(join_characters(line.strip())).rstrip(ENDS)
    middle = len(body) // 2
    if len(body) % 2 == 0 or body[middle] not in MIDDLES or middle < 2:
        return None
    return body[:middle], body[middle + 1 :]


@final
class CoupletLines(Source):
    """A file whose lines have both halves of a couplet."""

    format = "couplets"

    @property
    def columns(self) -> list[str]:
        """`source` and `target`."""
        return COLUMNS

    def _read(self) -> Iterator[Row | Any]:
        number = 0
        with reading(self.path), open_lines(self.path, self.encoding, "\n") as stream:
            for at, line in enumerate(stream, 1):
                if not line.strip():
                    continue
                number += 1
                row = Row(number, {}, self.path, at)
                if wrong := wrong_characters(line, self.encoding):
                    yield row.error(wrong)
                elif pair := halves(line):
                    row.values = dict(zip(COLUMNS, pair, strict=True))
                    yield row
                else:
                    yield row.error(f"{shortened(line)!r} has no two halves of equal length with a comma between them")

    def recognizes(self) -> bool:
        """Whether nearly all of the first lines are couplets."""
        with reading(self.path), open_lines(self.path, self.encoding, "\n") as stream:
            lines = [line for line in islice(stream, SAMPLE) if line.strip()]
        return sum(halves(line) is not None for line in lines) >= MIN_HALVES * max(len(lines), 1)


@final
class JoinedCharacters(Source):
    """The rows of a source without blanks between characters."""

    def __init__(self, inner: Source) -> None:
        super().__init__(inner.path, inner.name, encoding=inner.encoding, skip_broken=inner.skip_broken)
        self.share_facts(inner)
        self.inner, self.format = inner, inner.format

    @property
    def columns(self) -> list[str]:
        """The columns of the inner source."""
        return self.inner.columns

    def _read(self) -> Iterator[Row | Any]:
        for row in self.inner._read():
            if isinstance(row, Row):
                row.values = {name: join_characters(value) for name, value in row.values.items()}
            yield row


def open_pairs(data: str | Path, reading_: FileReading, files: TargetFiles) -> Source:
    """Open the pairs of a table, of two files, or of one file of couplets.

    Raises:
        DataError: the data cannot be read, or the file of the answers was not named.
    """
    if not str(data).startswith("hf:"):
        path, name = locate(data)
        facts = reading_.facts(data) if path.is_file() else None
        if facts is not None and (facts.format == "text" or (facts.is_delimited and facts.separator is None)):
            encoding = resolved(path, reading_.encoding)
            lines = CoupletLines(path, name, encoding=encoding, skip_broken=reading_.skip_broken)
            if lines.recognizes():
                return lines
            target = files.target_of(data)
            return JoinedCharacters(Parallel(path, target, encoding=encoding, skip_broken=reading_.skip_broken))
    return JoinedCharacters(reading_.open(data))
