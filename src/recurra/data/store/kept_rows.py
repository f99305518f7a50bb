"""The values of rows between two passes, so that a file is parsed once: columns of text in files, other columns in memory."""

from __future__ import annotations

import json
import shutil
from array import array
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from recurra.errors import DataError

NumberedRow = tuple[int, list[Any]]  # the number of a row, and its values


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
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for at in range(width):
                if at not in self._memory:
                    self._files[at] = self._path(at).open("wb")
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
                file.write(json.dumps(column, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
            except OSError as error:
                raise self._failed(error) from None

    def column(self, at: int) -> Iterator[Any]:
        """Yield the values at a position, in order. A column in a file must be complete."""
        if at in self._memory:
            yield from self._memory[at]
        else:
            for values in self._batches(at):
                yield from values

    def batches(self) -> Iterator[list[NumberedRow]]:
        """Yield the rows, which must be complete, in batches."""
        columns = [self._batches(at) for at in range(len(self._files) + len(self._memory))]
        begin = 0
        for parts in zip(*columns, strict=True):
            end = begin + len(parts[0])
            yield list(zip(self.numbers[begin:end], map(list, zip(*parts, strict=True)), strict=True))
            begin = end

    def _batches(self, at: int) -> Iterator[list[Any]]:
        if at in self._memory:
            begin = 0
            for size in self._sizes:
                yield self._memory[at][begin : begin + size]
                begin += size
            return
        try:
            self._files[at].flush()
            with self._path(at).open("rb") as file:
                for line in file:
                    yield json.loads(line.decode("utf-8", "surrogatepass"))
        except OSError as error:
            raise self._failed(error) from None

    def close(self) -> None:
        """Remove the files."""
        for file in self._files.values():
            file.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, at: int) -> Path:
        return self.folder / f"{at}.jsonl"

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
