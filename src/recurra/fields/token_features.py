"""The field of a column that is read beside the words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..files import read_json, write_json
from .token_lists import UNKNOWN, TokenField, written


class Feature(TokenField):
    """A column beside the words that is read with them, such as the part of speech; one that was asked for."""

    option = "features"

    def fit(self, values: Iterable[Any]) -> None:
        counts: Counter[str] = Counter()
        for value in values:
            counts.update(written(value))
            if len(counts) > 100_000:
                raise DataError(f"more than 100,000 values in the column {self.asked!r}: too many to read beside words")
        self._set(sorted(counts))

    def _set(self, values: Sequence[str]) -> None:
        self.values = list(values)
        self.ids = {value: at for at, value in enumerate(self.values, UNKNOWN + 1)}

    def __len__(self) -> int:
        return len(self.values) + UNKNOWN + 1

    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        rows = ([self.ids.get(token, UNKNOWN) for token in written(value)] for value in values)
        return [np.array(row, np.int32) for row in rows]

    def save(self, folder: Path) -> None:
        write_json(folder / f"{self.name}.json", {"values": self.values})

    def load(self, folder: Path) -> None:
        self._set(read_json(folder / f"{self.name}.json")["values"])

    def describe(self) -> list[str]:
        return [f"beside each word: column {self.asked}, {len(self.values)} values"]
