"""The field of numbers over time, whole or as a stream."""

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
    """Numbers over time: a JSON list of numbers or of equally long lists, or numbers with blanks between them.

    Each of the `width` features is standardised with its mean and spread over all steps of all rows. `width` None: as
    many as the first row has.
    """

    sequence = True

    def __init__(self, name: str, column: str | None, width: int | None = None) -> None:
        super().__init__(name, column)
        self.width = width
        self.mean = self.std = np.ones(0)

    @property
    def storage(self) -> str:
        return f"ragged:float32:{self.width}"

    def find(self, source: Source, taken: Sequence[str]) -> str:
        wanted = self.column or self.name
        if wanted not in source.columns:
            raise DataError(f"no column {wanted!r}; {near(wanted, source.columns)}", file=source.path)
        if self.width is None:
            first = source.look()[0].values.get(wanted)
            try:
                self.width = self.numbers(first).shape[1] or 1
            except (TypeError, ValueError, IndexError):
                self.width = 1  # the check of the row will say what is wrong with it
        return wanted

    def numbers(self, value: Any) -> np.ndarray:
        """(T, width); raises ValueError when it is not that."""
        if isinstance(value, str):
            value = json.loads(value) if value.strip().startswith("[") else [float(word) for word in value.split()]
        try:
            array = np.asarray(value, dtype=np.float64)
        except OverflowError as error:  # an integer beyond every float
            raise ValueError(str(error)) from None
        return array.reshape(-1, 1) if array.ndim == 1 and self.width in (None, 1) else array

    def check(self, value: Any) -> str | None:
        try:
            array = self.numbers(value)
        except (TypeError, ValueError):
            return f"is {str(value)[:40]!r}, not a list of numbers"
        if array.ndim != 2 or array.shape[1] != self.width:
            return f"has the shape {array.shape}, wanted (steps, {self.width})"
        if not len(array):
            return "is empty"
        return None if np.isfinite(array).all() else "has a number that is not finite"

    def fit(self, values: Iterable[Any]) -> None:
        assert self.width is not None  # find() has filled it
        count, total, squares = 0, np.zeros(self.width), np.zeros(self.width)
        origin = np.zeros(self.width)
        for array in map(self.numbers, values):
            if not count:
                origin = array[0]  # sums from here lose no digits, however far the numbers are from zero
            moved = array - origin
            count, total, squares = count + len(array), total + moved.sum(0), squares + (moved**2).sum(0)
        mean = total / max(count, 1)
        spread = np.sqrt(np.maximum(squares / max(count, 1) - mean**2, 0))
        self.mean, self.std = origin + mean, np.where(spread > 0, spread, 1.0)

    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        return [((self.numbers(value) - self.mean) / self.std).astype(np.float32) for value in values]

    def stream(self) -> TokenStream:
        return StepStream(self)

    def empty(self) -> np.ndarray:
        return np.zeros((0, self.width or 1), np.float32)

    def save(self, folder: Path) -> None:
        saved = {"width": self.width, "mean": self.mean.tolist(), "std": self.std.tolist()}
        write_json(folder / f"{self.name}.json", saved)

    def load(self, folder: Path) -> None:
        saved = read_json(folder / f"{self.name}.json")
        if self.width not in (None, saved["width"]):
            raise RunError(
                f"{folder}: {self.name} was trained with {saved['width']} features, the task has {self.width}"
            )
        self.width = int(saved["width"])
        self.mean, self.std = np.array(saved["mean"]), np.array(saved["std"])

    def describe(self) -> list[str]:
        return [f"{self.name}: {self.width} number{'s' if self.width != 1 else ''} a step"]


class StepStream:
    """Pieces of a series, encoded at once: no later step changes an earlier one."""

    def __init__(self, field: Field) -> None:
        self.field = field

    def push(self, piece: Any) -> Any:
        if isinstance(piece, list) and not piece:
            return []
        if said := self.field.check_input(piece):
            raise CallError(f"{self.field.name} {said}")
        return self.field.encode([piece])[0]

    def flush(self) -> Any:
        return []
