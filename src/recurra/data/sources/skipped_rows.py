"""The file `skipped.jsonl` of a run: one line for each row that was skipped."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from recurra.errors import DataError

SKIPPED = "skipped.jsonl"


class SkippedRows:
    """Writes each skipped row as a JSON object with file, row, field and error. Without one there is no file.

    Args:
        folder: the folder of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / SKIPPED
        self._stream: IO[str] | None = None

    def add(self, error: DataError) -> None:
        """Write the row that an error describes."""
        if self._stream is None:
            self._stream = self.path.open("w", encoding="utf-8")
        place = {"file": None if error.file is None else str(error.file), "row": error.row, "field": error.field}
        values = {name: value for name, value in place.items() if value is not None} | {"error": error.message}
        self._stream.write(json.dumps(values, ensure_ascii=False) + "\n")

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()
