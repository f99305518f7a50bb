"""A folder of parallel files of words and tags: one sequence per line, as in ATIS and SNIPS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import cached_property
from itertools import zip_longest
from pathlib import Path

from recurra.data.sources.files import check_file, open_lines, reading, wrong_characters
from recurra.data.sources.rows import Row, Source
from recurra.errors import DataError

WORDS, TAGS, LABEL = "words", "tags", "label"


class ParallelFiles(Source):
    """A folder with the files seq.in (words), seq.out (tags) and, optionally, label (of the sequence), line by line."""

    format = "parallel"

    @cached_property
    def files(self) -> dict[str, Path]:
        """The file of each column. Raises DataError if seq.out is missing."""
        names = {WORDS: "seq.in", TAGS: "seq.out", LABEL: "label"}
        paths = {column: with_gz(self.path / name) for column, name in names.items()}
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


def with_gz(path: Path) -> Path | None:
    """`path` or, if it does not exist, `path` with .gz; None if neither exists."""
    zipped = path.with_name(f"{path.name}.gz")
    return path if path.is_file() else zipped if zipped.is_file() else None
