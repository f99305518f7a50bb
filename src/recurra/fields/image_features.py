"""The field of precomputed feature vectors of images.

An example has one vector (F,), several, (N, F), or a feature map, (rows, columns, F).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np

from ..data.media.images import read_npy
from ..data.media.paths import located_input, resolve_path
from ..data.sources.sources import Row, Source
from ..errors import DataError
from .base import Field
from .series import Series

NAMES = ("features", "feature", "vector", "vectors", "embedding", "特征")


@final
class ImageFeatures(Field):
    """Feature vectors (N, F), standardized.

    A value is an array (.npz), a list, or the name of a `.npy` file relative to the table.

    Args:
        name: name of the field.
        column: column that the user named, or None.
        root: folder that file names are relative to; None: that of the table.
    """

    sequence = True
    names_files = True

    def __init__(self, name: str, column: str | None, root: str | None = None) -> None:
        super().__init__(name, column)
        self.root = root
        self.series = Series(name, None)  # standardizes the vectors and stores their size

    @property
    def width(self) -> int:
        """F, the number of features of a vector. It is available after `find` or `load`."""
        return self.series.width or 1

    # finding -------------------------------------------------------------------------------------------------------
    def find(self, source: Source, taken: Sequence[str]) -> str:
        """Return the column of features, and determine their size. Raises DataError if there is none."""
        column = source.need(self.column) if self.column else features_column(source, taken)
        if column is None:
            columns = ", ".join(source.columns[:20])
            raise DataError(f"no column contains features (columns: {columns})", file=source.path)
        if self.series.width is None:
            self.series.width = self._first_width(self.value(row, column) for row in source.first_rows())
        return column

    def _first_width(self, values: Iterable[Any]) -> int:
        """The number of features of the first value that can be read."""
        for value in values:
            try:
                return int(self.to_vectors(value).shape[1])
            except (TypeError, ValueError, IndexError):  # reported with its row when the rows are read
                continue
        return 1

    # values --------------------------------------------------------------------------------------------------------
    def value(self, row: Row, column: str) -> Any:
        """Return the value of a row. File names are relative to the table."""
        return resolve_path(row, column, self.root)

    def key(self, value: Any) -> str:
        """Return a hash of the content: the same features under two names have one key."""
        try:
            return hashlib.blake2b(self.to_vectors(value).tobytes(), digest_size=16).hexdigest()
        except (TypeError, ValueError):
            return str(value)

    def normalize_input(self, example: Any) -> Any:
        """Return the value of an input of `predict`; the name of a file is relative to `root`."""
        return located_input(example, self.root)

    def is_single_input(self, file: str) -> bool:
        """Whether a file given to `predict` is a single input."""
        return _is_file(file)

    def to_vectors(self, value: Any) -> np.ndarray:
        """Return a value as vectors (N, F). Raises ValueError or TypeError if it is not an array of numbers."""
        array = np.asarray(read_npy(Path(value.strip())) if _is_file(value) else value)
        if array.dtype.kind not in "iuf":
            raise ValueError("does not consist of numbers")
        if array.ndim == 0:
            raise ValueError("is one number, not a vector")
        if array.ndim == 1:
            array = array[None]
        return array.reshape(-1, array.shape[-1]).astype(np.float64) if array.ndim == 3 else array.astype(np.float64)

    def check(self, value: Any) -> str | None:
        """Return a description of the problem of a value, or None."""
        try:
            array = self.to_vectors(value)
        except (TypeError, ValueError) as error:
            return str(error) if _is_file(value) else f"is {str(value)[:40]!r}, not a list of numbers"
        if array.ndim != 2 or array.shape[1] != self.width or not len(array):
            return f"has {array.shape[-1]} features per vector, others have {self.width}"
        return None if np.isfinite(array).all() else "has a number that is not finite"

    # encoding ------------------------------------------------------------------------------------------------------
    def fit(self, values: Iterable[Any]) -> None:
        """Compute mean and standard deviation of each feature."""
        self.series.fit(map(self.to_vectors, values))

    @property
    def storage(self) -> str:
        """The format of encoded values in the store."""
        return self.series.storage

    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        """Return the standardized vectors (N, F) of each value."""
        return self.series.encode([self.to_vectors(value) for value in values])

    def save(self, folder: Path) -> None:
        """Write mean and standard deviation to the folder of the run."""
        self.series.save(folder)

    def load(self, folder: Path) -> None:
        """Read mean and standard deviation from the folder of the run."""
        self.series.load(folder)

    def describe(self) -> list[str]:
        """Return the lines that training prints about the field."""
        return [f"{self.name}: vectors of {self.width} features"]


def _is_file(value: Any) -> bool:
    return isinstance(value, str) and value.strip().lower().endswith(".npy")


def features_column(source: Source, taken: Sequence[str]) -> str | None:
    """Return a column of feature vectors; columns with a usual name are tried first."""
    free = [column for column in source.columns if column not in taken]
    for column in sorted(free, key=lambda column: column.strip().lower() not in NAMES):
        values = [value for row in source.first_rows()[:50] if (value := row.values.get(column)) is not None]
        if values and sum(map(_is_features, values)) > len(values) / 2:
            return column
    return None


def _is_features(value: Any) -> bool:
    if _is_file(value):
        return True
    if isinstance(value, list):
        return bool(value) and not isinstance(value[0], str)
    return isinstance(value, np.ndarray) and value.dtype.kind in "iuf" and value.ndim in (1, 2, 3)
