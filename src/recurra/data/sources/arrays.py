"""Arrays of NumPy as a table: a `.npz` file whose arrays have an entry a row; each array is a column."""

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
    """An array of text gives text, one of numbers a number a row; of more axes, an array a row. Nothing is unpickled."""

    format = "npz"

    @cached_property
    def _arrays(self) -> dict[str, Array]:
        try:
            with reading(self.path), np.load(self.path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
        except (ValueError, zipfile.BadZipFile) as error:
            raise DataError(f"is not a whole .npz file of plain arrays ({error})", file=self.path) from None
        counts = {name: len(array) if array.ndim else 0 for name, array in arrays.items()}
        if len(set(counts.values())) > 1:
            said = ", ".join(f"{name} {count:,}" for name, count in counts.items())
            raise DataError(f"its arrays have not as many rows as each other ({said})", file=self.path)
        return arrays

    @property
    def columns(self) -> list[str]:
        return list(self._arrays)

    def _read(self) -> Iterator[Row | DataError]:
        arrays = self._arrays
        for at in range(len(next(iter(arrays.values()), ()))):
            values = {name: value.item() if (value := array[at]).ndim == 0 else value for name, array in arrays.items()}
            yield Row(at + 1, values, self.path)
