"""The field of a number to predict."""

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
    """A number, standardised with the mean and spread of all rows."""

    storage = "float32"
    is_scalar = True

    def __init__(self, name: str, column: str | None) -> None:
        super().__init__(name, column)
        self.mean, self.std = 0.0, 1.0

    def find(self, source: Source, taken: Sequence[str]) -> str:
        return columns.find_number(source, self.column, exclude=taken)

    def check(self, value: Any) -> str | None:
        try:
            return None if math.isfinite(float(value)) else f"is {value!r}, not a finite number"
        except OverflowError:  # an integer beyond every float
            return f"is {value!r:.40}, not a finite number"
        except (TypeError, ValueError):
            return f"is {str(value)[:40]!r}, not a number"

    def fit(self, values: Iterable[Any]) -> None:
        count, mean, spread = 0, 0.0, 0.0  # Welford 1962: one pass, no loss of digits
        for value in map(float, values):
            count += 1
            delta = value - mean
            mean += delta / count
            spread += delta * (value - mean)
        if spread == 0.0:
            raise DataError(f"every row has the same {self.name}, {mean:g}: there is nothing to learn")
        self.mean, self.std = mean, math.sqrt(spread / count)

    def encode(self, values: Sequence[Any]) -> list[float]:
        return [(float(value) - self.mean) / self.std for value in values]

    def save(self, folder: Path) -> None:
        write_json(folder / f"{self.name}.json", {"mean": self.mean, "std": self.std})

    def load(self, folder: Path) -> None:
        saved = read_json(folder / f"{self.name}.json")
        self.mean, self.std = float(saved["mean"]), float(saved["std"])

    def describe(self) -> list[str]:
        return [f"{self.name}: mean {self.mean:.4g}, standard deviation {self.std:.4g}"]
