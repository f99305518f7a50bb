"""Two parallel text files read line by line, and several columns of a table read as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from recurra.data.sources.files import bare_name, check_file, open_lines, reading, wrong_characters
from recurra.data.sources.rows import Row, Source
from recurra.errors import DataError


class Parallel(Source):
    """Rows with the columns `source` and `target`: line n of the two files, which must have the same number of lines.

    Args:
        path: the file of the source.
        other: the file of the target.
        encoding: the encoding of both files.
        skip_broken: skip lines with invalid characters instead of raising.
    """

    format = "parallel"

    def __init__(self, path: Path, other: Path, *, encoding: str = "utf-8", skip_broken: bool = False) -> None:
        super().__init__(path, bare_name(path), encoding=encoding, skip_broken=skip_broken)
        self.other = other
        for file in (path, other):
            check_file(file)

    @property
    def columns(self) -> list[str]:
        """`source` and `target`."""
        return ["source", "target"]

    def _read(self) -> Iterator[Row | DataError]:
        with (
            reading(self.path),
            open_lines(self.path, self.encoding, "\n") as left,
            reading(self.other),
            open_lines(self.other, self.encoding, "\n") as right,
        ):
            for number, pair in enumerate(zip_longest(left, right), 1):
                if None in pair:
                    short, long = (self.path, self.other) if pair[0] is None else (self.other, self.path)
                    raise DataError(
                        f"there is no line {number}: the file has {number - 1:,} lines, and {long} has more. "
                        "Line n of one file must correspond to line n of the other",
                        file=short,
                    )
                values = {name: line.rstrip("\r\n") for name, line in zip(self.columns, pair, strict=True)}
                row = Row(number, values, self.path, number, {"target": self.other})
                problems = (
                    (name, problem)
                    for name, text in values.items()
                    if (problem := wrong_characters(text, self.encoding))
                )
                wrong = next(problems, None)
                yield row.error(wrong[1], wrong[0]) if wrong else row


class Joined(Source):
    """A source with an additional column `name`, which is the tuple of the columns `parts`."""

    def __init__(self, inner: Source, parts: Sequence[str], name: str) -> None:
        super().__init__(inner.path, inner.name, encoding=inner.encoding, skip_broken=inner.skip_broken)
        self.share_facts(inner)
        self.inner, self.format, self.joined = inner, inner.format, name
        self.parts = [inner.need(part) for part in parts]

    @property
    def columns(self) -> list[str]:
        """The columns of the inner source and the additional one."""
        return [*self.inner.columns, self.joined]

    def _read(self) -> Iterator[Row | DataError]:
        for row in self.inner._read():
            if isinstance(row, Row):
                row.values[self.joined] = tuple(row.values.get(part) for part in self.parts)
            yield row
