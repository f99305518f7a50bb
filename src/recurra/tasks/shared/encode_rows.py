"""Encodes rows in chunks, field by field, and writes them to stores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.ahead import ahead
from ...data.store.kept_rows import NumberedRow
from ...data.store.store import StoreWriter
from ...errors import DataError
from ...fields.base import Field
from ..base import OnProgress
from ..contract import check_encoded

CHUNK = 1024  # rows


def encode_rows(fields: Sequence[Field], rows: Sequence[NumberedRow], file: Path) -> dict[str, list[Any]]:
    """Return the encoded values of numbered rows by field. Raises DataError, with the row, for a value without an encoding."""
    encoded = {}
    for at, field in enumerate(fields):
        try:
            encoded[field.name] = check_encoded(field, field.encode([values[at] for _, values in rows]), len(rows))
        except DataError as error:
            number, _ = rows[(error.row or 1) - 1]
            raise DataError(error.message, file=file, row=number, field=field.name) from None
    return encoded


def write_rows(
    fields: Sequence[Field],
    chunks: Iterable[Sequence[NumberedRow]],
    file: Path,
    folder: Path,
    parts: Sequence[str],
    part_of: Callable[[int, int], NDArray[np.integer]],
    on_progress: OnProgress,
) -> None:
    """Encode rows in a thread while the next ones are read, and write them to a store for each part.

    Args:
        fields: the fields of the values.
        chunks: the rows.
        file: the file of the rows, for errors.
        folder: the folder of the stores.
        parts: the names of the stores.
        part_of: returns the index of the part of each row of rows[begin:end].
        on_progress: called with the number of rows so far.
    """
    formats = {field.name: field.storage for field in fields}
    done = 0
    with ExitStack() as stack:  # closes the stores, or removes them after an error
        writers = [stack.enter_context(StoreWriter(folder / part, formats)) for part in parts]
        for rows, encoded in ahead(lambda rows: encode_rows(fields, rows, file), chunks):
            part = part_of(done, done + len(rows))
            for index, writer in enumerate(writers):
                chosen = np.flatnonzero(part == index).tolist()
                writer.extend(**{name: [values[i] for i in chosen] for name, values in encoded.items()})
            done += len(rows)
            on_progress(done)
