"""The first pass over training data: fits the fields, hashes the rows for the split, and keeps the values for the second."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from ...data.store.kept_rows import Chunk, KeptRows, NumberedRow, chunks_of
from ...data.store.split import Duplicates, valid_limit
from ...fields.base import Field, fit_field
from ..base import OnProgress, chunked
from .encode_rows import CHUNK, write_rows


@final
class Survey(AbstractContextManager["Survey"]):
    """Reads the rows once, if all that is read again is text, labels or numbers; other values are read again.

    Args:
        fields: the fields; the first one is the input, whose hash decides the part of the split.
        rows: starts a pass over the numbered rows.
        file: the file of the rows, for errors.
        folder: a new folder for temporary files.
    """

    def __init__(
        self, fields: Sequence[Field], rows: Callable[[], Iterable[NumberedRow]], file: Path, folder: Path
    ) -> None:
        self.fields, self.rows, self.file = fields, rows, file
        scalars = [at for at, field in enumerate(fields) if at and field.is_scalar]
        self.kept = KeptRows(folder, len(fields), scalars)
        for field in fields:
            field.keep(folder / field.name)
        self.duplicates = Duplicates()

    def __exit__(self, *_: object) -> None:
        """Remove the temporary files."""
        for field in self.fields:
            field.keep(None)
        self.kept.close()

    def fit(self, on_progress: OnProgress, *, keep_fitted: bool = False) -> None:
        """Fit the fields, unless `keep_fitted`; hash the rows and count repeated rows."""
        fields, stream = [] if keep_fitted else self.fields, self._inputs(on_progress)
        for field in fields[:1]:
            fit_field(field, stream, self.file)
        for _ in stream:  # all rows are hashed, also where fitting needs only the first ones
            pass
        for at, field in enumerate(fields[1:], 1):
            if field.is_fitted:
                fit_field(field, self.values(at), self.file)

    def _inputs(self, on_progress: OnProgress) -> Iterator[Any]:
        key = self.fields[0].key
        for rows in chunked(self.rows(), CHUNK):
            self.kept.add(rows)
            for _, values in rows:
                self.duplicates.add(key(values[0]))
            on_progress(len(self.kept))
            for _, values in rows:
                yield values[0]

    def values(self, at: int) -> Iterator[Any]:
        """Yield the values of a field, after the pass over the input."""
        if self.kept.complete or self.fields[at].is_scalar:
            return self.kept.column(at)
        return (values[at] for _, values in self.rows())

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows again, in chunks."""
        return self.kept.chunks() if self.kept.complete else chunks_of(self.rows(), CHUNK)

    def write(self, folder: Path, fraction: float, on_progress: OnProgress) -> None:
        """Encode the rows into the stores `train` and `valid` in `folder`, where `valid` has a fraction of the rows."""
        hashes = self.duplicates.hashes()
        limit = valid_limit(hashes, fraction, self.file)
        is_valid = hashes <= np.uint64(limit) if limit >= 0 else np.zeros(len(hashes), np.bool_)
        parts: dict[str, Callable[[Chunk], NDArray[np.bool_]]] = {
            "train": lambda rows: ~is_valid[rows.begin : rows.begin + len(rows)],
            "valid": lambda rows: is_valid[rows.begin : rows.begin + len(rows)],
        }
        write_rows(self.fields, self.chunks(), self.file, folder, parts, on_progress, fitted=True)
