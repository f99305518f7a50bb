"""The field of a number that a task predicts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..data.sources import columns
from ..data.sources.sources import Source
from ..errors import DataError
from ..files import read_json, write_json
from .base import Field


class Number(Field):
    """A number, standardised with the mean and standard deviation of all rows.

    Args:
        name: the name of the field.
        column: the column that the user named, or None to detect it.
    """

    storage = "float32"
    is_scalar = True

    def __init__(self, name: str, column: str | None = None) -> None:
        super().__init__(name, column)
        self.mean, self.std = 0.0, 1.0

    def find(self, source: Source, taken: Sequence[str]) -> str:
        """Return the named column, one with a common name of targets, or the only column of numbers."""
        return columns.find_number(source, self.column, exclude=taken)

    def check(self, value: Any) -> str | None:
        """A value must be a finite number."""
        try:
            return None if math.isfinite(float(value)) else f"is {value!r}, not a finite number"
        except OverflowError:  # an integer beyond every float
            return f"is {value!r:.40}, not a finite number"
        except (TypeError, ValueError):
            return f"is {str(value)[:40]!r}, not a number"

    def fit(self, values: Iterable[Any]) -> None:
        """Compute the mean and the standard deviation with Welford's algorithm (1962). Raises DataError for equal values."""
        count, mean, squares = 0, 0.0, 0.0  # squares: sum of squared deviations
        for value in map(float, values):
            count += 1
            delta = value - mean
            mean += delta / count
            squares += delta * (value - mean)
        if squares == 0.0:
            raise DataError(f"all rows have the same {self.name}, {mean:g}; there is nothing to learn")
        self.mean, self.std = mean, math.sqrt(squares / count)

    def encode(self, values: Sequence[Any]) -> list[float]:
        """Return the standardised numbers."""
        return [(float(value) - self.mean) / self.std for value in values]

    def save(self, folder: Path) -> None:
        """Write the mean and the standard deviation."""
        write_json(folder / f"{self.name}.json", {"mean": self.mean, "std": self.std})

    def load(self, folder: Path) -> None:
        """Read the mean and the standard deviation."""
        saved = read_json(folder / f"{self.name}.json")
        self.mean, self.std = float(saved["mean"]), float(saved["std"])

    def describe(self) -> list[str]:
        """Describe the mean and the standard deviation."""
        return [f"{self.name}: mean {self.mean:.4g}, standard deviation {self.std:.4g}"]
