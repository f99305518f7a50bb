"""A `.npz` file of NumPy arrays as a table: each array is a column, and its first axis counts the rows."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from recurra.data.sources.files import reading
from recurra.data.sources.rows import Row, Source
from recurra.errors import DataError

Array = np.ndarray[Any, Any]


class Arrays(Source):
    """Rows of texts, numbers or, for arrays with more axes, arrays. Nothing is unpickled."""

    format = "npz"

    @cached_property
    def _arrays(self) -> dict[str, Array]:
        try:
            with reading(self.path), np.load(self.path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
        except (ValueError, zipfile.BadZipFile) as error:
            raise DataError(f"is not a complete .npz file of plain arrays ({error})", file=self.path) from None
        counts = {name: len(array) if array.ndim else 0 for name, array in arrays.items()}
        if len(set(counts.values())) > 1:
            sizes = ", ".join(f"{name} {count:,}" for name, count in counts.items())
            raise DataError(f"the arrays have different numbers of rows ({sizes})", file=self.path)
        return arrays

    @property
    def columns(self) -> list[str]:
        """The names of the arrays."""
        return list(self._arrays)

    def _read(self) -> Iterator[Row | DataError]:
        arrays = self._arrays
        for at in range(len(next(iter(arrays.values()), ()))):
            values = {name: value.item() if (value := array[at]).ndim == 0 else value for name, array in arrays.items()}
            yield Row(at + 1, values, self.path)
