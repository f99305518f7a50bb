"""The field of numbers over time, read as a whole or streamed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..data.sources.sources import Source
from ..data.words.token_stream import TokenStream
from ..errors import CallError, DataError, RunError, near
from ..files import read_json, write_json
from .base import Field


class Series(Field):
    """A series of numbers: a JSON list of numbers or of lists of equal length, or numbers separated by spaces.

    Each feature is standardised with its mean and standard deviation over all time steps of all rows.

    Args:
        name: the name of the field.
        column: the column that the user named; None: the column called `name`.
        width: number of features of a time step; None: that of the first row.
    """

    sequence = True

    def __init__(self, name: str, column: str | None = None, width: int | None = None) -> None:
        super().__init__(name, column)
        self.width = width
        self.mean = self.std = np.ones(0)

    @property
    def storage(self) -> str:
        """A sequence of `width` numbers per time step."""
        return f"ragged:float32:{self.width}"

    def find(self, source: Source, taken: Sequence[str]) -> str:
        """Return the named column, or the column called like the field; read the width from the first row."""
        column = self.column or self.name
        if column not in source.columns:
            raise DataError(f"unknown column {column!r}; {near(column, source.columns)}", file=source.path)
        if self.width is None:
            first = source.first_rows()[0].values.get(column)
            try:
                self.width = self.numbers(first).shape[1] or 1
            except (TypeError, ValueError, IndexError):
                self.width = 1  # check() reports what is wrong with the row
        return column

    def numbers(self, value: Any) -> np.ndarray:
        """Return a value as an array (T, width). Raises ValueError or TypeError where it is not a list of numbers."""
        if isinstance(value, str):
            value = json.loads(value) if value.strip().startswith("[") else [float(word) for word in value.split()]
        try:
            array = np.asarray(value, dtype=np.float64)
        except OverflowError as error:  # an integer beyond every float
            raise ValueError(str(error)) from None
        return array.reshape(-1, 1) if array.ndim == 1 and self.width in (None, 1) else array

    def check(self, value: Any) -> str | None:
        """A value must be a series of finite numbers with `width` features and at least one time step."""
        try:
            array = self.numbers(value)
        except (TypeError, ValueError):
            return f"is {str(value)[:40]!r}, not a list of numbers"
        if array.ndim != 2 or array.shape[1] != self.width:
            return f"has the shape {array.shape}, expected (steps, {self.width})"
        if not len(array):
            return "is empty"
        return None if np.isfinite(array).all() else "has a number that is not finite"

    def fit(self, values: Iterable[Any]) -> None:
        """Compute the mean and the standard deviation of each feature."""
        assert self.width is not None  # find() has set it
        count, total, squares = 0, np.zeros(self.width), np.zeros(self.width)
        origin = np.zeros(self.width)
        for array in map(self.numbers, values):
            if not count:
                origin = array[0]  # sums relative to it keep their precision, however far the numbers are from zero
            shifted = array - origin
            count, total, squares = count + len(array), total + shifted.sum(0), squares + (shifted**2).sum(0)
        mean = total / max(count, 1)
        std = np.sqrt(np.maximum(squares / max(count, 1) - mean**2, 0))
        self.mean, self.std = origin + mean, np.where(std > 0, std, 1.0)

    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        """Return the standardised series, each (T, width), float32."""
        return [((self.numbers(value) - self.mean) / self.std).astype(np.float32) for value in values]

    def stream(self) -> TokenStream:
        """Return an encoder of chunks of time steps."""
        return StepStream(self)

    def empty(self) -> np.ndarray:
        """Return a series without time steps, (0, width)."""
        return np.zeros((0, self.width or 1), np.float32)

    def save(self, folder: Path) -> None:
        """Write the width, the means and the standard deviations."""
        saved = {"width": self.width, "mean": self.mean.tolist(), "std": self.std.tolist()}
        write_json(folder / f"{self.name}.json", saved)

    def load(self, folder: Path) -> None:
        """Read the width, the means and the standard deviations."""
        saved = read_json(folder / f"{self.name}.json")
        if self.width not in (None, saved["width"]):
            raise RunError(
                f"{folder}: {self.name} was trained with {saved['width']} features, but the task has {self.width}; "
                "use the columns of the training file"
            )
        self.width = int(saved["width"])
        self.mean, self.std = np.array(saved["mean"]), np.array(saved["std"])

    def describe(self) -> list[str]:
        """Describe the width."""
        return [f"{self.name}: {self.width} number{'s' if self.width != 1 else ''} per time step"]


class StepStream:
    """Encodes chunks of a series immediately, because no later time step changes an earlier one."""

    def __init__(self, field: Field) -> None:
        self.field = field

    def push(self, piece: Any) -> Any:
        """Return the encoded time steps of a chunk. Raises CallError if the chunk cannot be used."""
        if isinstance(piece, list) and not piece:
            return []
        if problem := self.field.check_input(piece):
            raise CallError(f"{self.field.name} {problem}")
        return self.field.encode([piece])[0]

    def flush(self) -> Any:
        """Nothing is buffered."""
        return []
