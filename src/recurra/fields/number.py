"""The field of a number that a task predicts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..data.sources import columns
from ..data.sources.number_formats import detect_formats, has_semicolons
from ..data.sources.numbers import NumberFormat
from ..data.sources.sources import Source
from ..errors import DataError
from ..files import read_json, write_json
from .base import Field


class Number(Field):
    """A number, standardised with the mean and standard deviation of all rows.

    Args:
        name: the name of the field.
        column: the column that the user named, or None to detect it.
        decimal: the decimal mark of the cells; None to detect it.
        missing: further markers of missing values, separated by commas.
    """

    storage = "float32"
    is_scalar = True

    def __init__(
        self, name: str, column: str | None = None, *, decimal: str | None = None, missing: str | None = None
    ) -> None:
        super().__init__(name, column)
        self.decimal, self.missing = decimal, missing
        self.format = NumberFormat()
        self.notes: list[str] = []
        self.mean, self.std = 0.0, 1.0

    def find(self, source: Source, taken: Sequence[str]) -> str:
        """Return the named column, one with a common name of targets, or the only column of numbers."""
        return columns.find_number(source, self.column, exclude=taken)

    def inspect(self, source: Source, column: str) -> None:
        """Determine the format of the numbers; where the rows do not show it, that of the training data remains."""
        formats, self.notes = detect_formats(
            {column: [row.values.get(column) for row in source.first_rows()]},
            decimal=self.decimal,
            missing=self.missing,
            semicolons=has_semicolons(source),
            known=None if self.format == NumberFormat() else {column: self.format},
        )
        self.format = formats[column]

    def check(self, value: Any) -> str | None:
        """A value must be a finite number."""
        number = self.format.parse(value)
        if number is None:
            return f"is {str(value)[:40]!r}, which {self.format.reason(value)}"
        return f"is missing ({str(value)[:20]!r})" if math.isnan(number) else None

    def _numbers(self, values: Iterable[Any]) -> Iterable[float]:
        for value in values:
            number = self.format.parse(value)
            yield math.nan if number is None else number

    def fit(self, values: Iterable[Any]) -> None:
        """Compute the mean and the standard deviation with Welford's algorithm (1962). Raises DataError for equal values."""
        count, mean, squares = 0, 0.0, 0.0  # squares: sum of squared deviations
        for value in self._numbers(values):
            count += 1
            delta = value - mean
            mean += delta / count
            squares += delta * (value - mean)
        if squares == 0.0:
            raise DataError(f"all rows have the same {self.name}, {mean:g}; there is nothing to learn")
        self.mean, self.std = mean, math.sqrt(squares / count)

    def encode(self, values: Sequence[Any]) -> list[float]:
        """Return the standardised numbers."""
        return [(value - self.mean) / self.std for value in self._numbers(values)]

    def save(self, folder: Path) -> None:
        """Write the mean, the standard deviation and the format of the numbers."""
        write_json(folder / f"{self.name}.json", {"mean": self.mean, "std": self.std, "format": self.format.to_json()})

    def load(self, folder: Path) -> None:
        """Read the mean, the standard deviation and the format of the numbers."""
        saved = read_json(folder / f"{self.name}.json")
        self.mean, self.std = float(saved["mean"]), float(saved["std"])
        self.format = NumberFormat.from_json(saved["format"])

    def describe(self) -> list[str]:
        """Describe the mean and the standard deviation."""
        return [f"{self.name}: mean {self.mean:.4g}, standard deviation {self.std:.4g}", *self.notes]
