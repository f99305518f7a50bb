"""Feature vectors of somebody else's network: one (F,), or several, (N, F) or a map (rows, columns, F), an example."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np

from ..data.media.images import beside, read_npy
from ..data.sources.sources import Row, Source
from ..errors import DataError
from .base import Field
from .series import Series

NAMES = ("features", "feature", "vector", "vectors", "embedding", "特征")


@final
class ImageFeatures(Field):
    """Feature vectors (N, F), standardised.

    A cell is an array (.npz), a list, or the name of a `.npy` file, which is looked for beside the table.
    """

    sequence = True

    def __init__(self, name: str, column: str | None) -> None:
        super().__init__(name, column)
        self.vectors = Series(name, None)  # standardises the vectors, and knows their width

    @property
    def width(self) -> int:
        """F, features of a vector. Known once the field was found or loaded."""
        return self.vectors.width or 1

    # finding -------------------------------------------------------------------------------------------------------
    def find(self, source: Source, taken: Sequence[str]) -> str:
        column = source.need(self.column) if self.column else features_column(source, taken)
        if column is None:
            raise DataError(f"no column holds features (there are {', '.join(source.columns[:20])})", file=source.path)
        if self.vectors.width is None:
            self.vectors.width = self._first_width(self.value(row, column) for row in source.look())
        return column

    def _first_width(self, values: Iterable[Any]) -> int:
        for value in values:
            try:
                return int(self.numbers(value).shape[1])
            except (TypeError, ValueError, IndexError):  # reported, with its row, when the rows are read
                continue
        return 1

    # values --------------------------------------------------------------------------------------------------------
    def value(self, row: Row, column: str) -> Any:
        return beside(row, column)

    def key(self, value: Any) -> str:
        """By content: the same features under two names are the same."""
        try:
            return hashlib.blake2b(self.numbers(value).tobytes(), digest_size=16).hexdigest()
        except (TypeError, ValueError):
            return str(value)

    def is_single_input(self, file: str) -> bool:
        return _is_file(file)

    def numbers(self, value: Any) -> np.ndarray:
        """(N, F); raises ValueError when it is not that."""
        array = np.asarray(read_npy(Path(value.strip())) if _is_file(value) else value)
        if array.dtype.kind not in "iuf":
            raise ValueError("is not made of numbers")
        if array.ndim == 0:
            raise ValueError("is one number, not a vector")
        if array.ndim == 1:
            array = array[None]
        return array.reshape(-1, array.shape[-1]).astype(np.float64) if array.ndim == 3 else array.astype(np.float64)

    def check(self, value: Any) -> str | None:
        try:
            array = self.numbers(value)
        except (TypeError, ValueError) as error:
            return str(error) if _is_file(value) else f"is {str(value)[:40]!r}, not a list of numbers"
        if array.ndim != 2 or array.shape[1] != self.width or not len(array):
            return f"has {array.shape[-1]} features a vector, others have {self.width}"
        return None if np.isfinite(array).all() else "has a number that is not finite"

    # encoding ------------------------------------------------------------------------------------------------------
    def fit(self, values: Iterable[Any]) -> None:
        self.vectors.fit(map(self.numbers, values))

    @property
    def storage(self) -> str:
        return self.vectors.storage

    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        return self.vectors.encode([self.numbers(value) for value in values])

    def save(self, folder: Path) -> None:
        self.vectors.save(folder)

    def load(self, folder: Path) -> None:
        self.vectors.load(folder)

    def describe(self) -> list[str]:
        return [f"{self.name}: vectors of {self.width} features"]


def _is_file(value: Any) -> bool:
    return isinstance(value, str) and value.strip().lower().endswith(".npy")


def features_column(source: Source, taken: Sequence[str]) -> str | None:
    """The column that holds feature vectors: one of a known name first."""
    free = [column for column in source.columns if column not in taken]
    for column in sorted(free, key=lambda column: column.strip().lower() not in NAMES):
        values = [value for row in source.look()[:50] if (value := row.values.get(column)) is not None]
        if values and sum(map(_holds, values)) > len(values) / 2:
            return column
    return None


def _holds(value: Any) -> bool:
    if _is_file(value):
        return True
    if isinstance(value, list):
        return bool(value) and not isinstance(value[0], str)
    return isinstance(value, np.ndarray) and value.dtype.kind in "iuf" and value.ndim in (1, 2, 3)
