"""The values of rows between two passes, so that a file is parsed once: columns of text in files, other columns in memory."""

from __future__ import annotations

import json
import shutil
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any

from recurra.errors import DataError

NumberedRow = tuple[int, list[Any]]  # the number of a row, and its values


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows.

    Attributes:
        begin: the position of the first row among all rows.
        numbers: the number of each row in its file.
        column: returns the values of the rows at a position.
    """

    begin: int
    numbers: Sequence[int]
    column: Callable[[int], Sequence[Any]]

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.numbers)


def chunks_of(rows: Iterable[NumberedRow], size: int) -> Iterator[Chunk]:
    """Yield chunks of `size` rows; the last one may be shorter."""
    begin, stream = 0, iter(rows)
    while part := list(islice(stream, size)):
        columns = list(zip(*(values for _, values in part), strict=True))
        yield Chunk(begin, [number for number, _ in part], columns.__getitem__)
        begin += len(part)


class KeptRows:
    """Keeps rows that are added in batches, and returns them in the same batches.

    Texts and lists of texts are kept as JSON in files. If such a column has a value of another type, the rows are not
    `complete`, and have to be read from their source again.

    Args:
        folder: a new folder for the files, which `close` removes.
        width: the number of values of a row.
        in_memory: the positions of values that are kept in memory, of any type.
    """

    def __init__(self, folder: Path, width: int, in_memory: Collection[int]) -> None:
        self.folder, self.complete = folder, True
        self.numbers = array("q")
        self._memory: dict[int, list[Any]] = {at: [] for at in in_memory}
        self._interned: dict[str, str] = {}  # equal labels share one object
        self._sizes = array("q")  # of the batches
        self._files: dict[int, IO[bytes]] = {}
        self._begins: dict[int, array[int]] = {}  # of each batch in a file
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for at in range(width):
                if at not in self._memory:
                    self._files[at], self._begins[at] = (folder / f"{at}.jsonl").open("w+b"), array("q")
        except OSError as error:
            raise self._failed(error) from None

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.numbers)

    def add(self, rows: Sequence[NumberedRow]) -> None:
        """Add a batch of rows. Raises DataError if they cannot be written."""
        self.numbers.extend(number for number, _ in rows)
        self._sizes.append(len(rows))
        for at, values in self._memory.items():
            cells = (row[at] for _, row in rows)
            values += [self._interned.setdefault(cell, cell) if type(cell) is str else cell for cell in cells]
        for at, file in self._files.items() if self.complete else ():
            column = [row[at] for _, row in rows]
            if not all(map(_is_text, column)):
                self.complete = False
                return
            try:
                self._begins[at].append(file.tell())
                file.write(json.dumps(column, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
            except OSError as error:
                raise self._failed(error) from None

    def column(self, at: int) -> Iterator[Any]:
        """Yield the values at a position, in order. A column in a file must be complete."""
        for chunk in self.chunks():
            yield from chunk.column(at)

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows in the batches in which they were added."""
        begin = 0
        for batch, size in enumerate(self._sizes):
            numbers = self.numbers[begin : begin + size]
            yield Chunk(begin, numbers, partial(self._read, batch=batch, begin=begin, end=begin + size))
            begin += size

    def _read(self, at: int, *, batch: int, begin: int, end: int) -> Sequence[Any]:
        if at in self._memory:
            return self._memory[at][begin:end]
        try:
            self._files[at].seek(self._begins[at][batch])
            values: list[Any] = json.loads(self._files[at].readline().decode("utf-8", "surrogatepass"))
        except OSError as error:
            raise self._failed(error) from None
        return values

    def close(self) -> None:
        """Remove the files."""
        for file in self._files.values():
            file.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _failed(self, error: OSError) -> DataError:
        return DataError(
            f"the values of the rows cannot be kept: {error.strerror}; free disk space or use another folder",
            file=self.folder,
        )

    def __enter__(self) -> KeptRows:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_text(value: Any) -> bool:
    return type(value) is str or (type(value) is list and all(type(item) is str for item in value))
