"""Encodes rows in chunks, field by field, and writes them to stores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.ahead import ahead
from ...data.store.kept_rows import Chunk
from ...data.store.store import StoreWriter
from ...errors import DataError
from ...fields.base import Field
from ..base import OnProgress
from ..contract import check_encoded

CHUNK = 1024  # rows


def encode_rows(fields: Sequence[Field], rows: Chunk, file: Path, *, fitted: bool = False) -> dict[str, list[Any]]:
    """Return the encoded values of rows by field. Raises DataError, with the row, for a value without an encoding.

    fitted   whether the rows are those that the fields were fitted to, in the same order
    """
    encoded = {}
    for at, field in enumerate(fields):
        try:
            values = field.encode_fitted(rows.begin, rows.begin + len(rows)) if fitted else None
            if values is None:
                values = check_encoded(field, field.encode(rows.column(at)), len(rows))
            encoded[field.name] = values
        except DataError as error:
            number = rows.numbers[(error.row or 1) - 1]
            raise DataError(error.message, file=file, row=number, field=field.name) from None
    return encoded


def write_rows(
    fields: Sequence[Field],
    chunks: Iterable[Chunk],
    file: Path,
    folder: Path,
    parts: Mapping[str, Callable[[Chunk], NDArray[np.bool_]]],
    on_progress: OnProgress,
    *,
    fitted: bool = False,
) -> None:
    """Encode rows in a thread while the next ones are read, and write them to a store for each part.

    Args:
        fields: the fields of the values.
        chunks: the rows.
        file: the file of the rows, for errors.
        folder: the folder of the stores.
        parts: the name of each store, and a function that returns which rows of a chunk belong to it.
        on_progress: called with the number of rows so far.
        fitted: whether the rows are those that the fields were fitted to, in the same order.
    """
    formats = {field.name: field.storage for field in fields}
    with ExitStack() as stack:  # closes the stores, or removes them after an error
        writers = {part: stack.enter_context(StoreWriter(folder / part, formats)) for part in parts}
        for rows, encoded in ahead(lambda rows: encode_rows(fields, rows, file, fitted=fitted), chunks):
            for part, belongs in parts.items():
                chosen = np.flatnonzero(belongs(rows)).tolist()
                writers[part].extend(**{name: [values[i] for i in chosen] for name, values in encoded.items()})
            on_progress(rows.begin + len(rows))


def all_rows(rows: Chunk) -> NDArray[np.bool_]:
    """Return that each row belongs to the part."""
    return np.ones(len(rows), np.bool_)
