"""The field of a column of token features, such as parts of speech, which are read together with the words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np

from ..errors import DataError
from ..files import read_json, write_json
from .token_lists import UNKNOWN, TokenField, token_texts


@final
class Feature(TokenField):
    """A feature of each token, from a column that the user named. Values that training did not have are unknown."""

    option = "features"
    storage = "ragged:int32"
    column: str

    def __init__(self, name: str, column: str) -> None:
        super().__init__(name, column)
        self._set([])

    def fit(self, values: Iterable[Any]) -> None:
        counts: Counter[str] = Counter()
        for value in values:
            counts.update(token_texts(value))
            if len(counts) > 100_000:
                raise DataError(
                    f"more than 100,000 values in the column {self.column!r}: too many to read beside words"
                )
        self._set(sorted(counts))

    def _set(self, values: Sequence[str]) -> None:
        self.values = list(values)
        self.ids = {value: at for at, value in enumerate(self.values, UNKNOWN + 1)}

    def __len__(self) -> int:
        """The number of ids: of padding, of unknown values, of the values."""
        return len(self.values) + UNKNOWN + 1

    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        return [self.encode_tokens(value) for value in values]

    def encode_tokens(self, value: Any) -> np.ndarray:
        """The ids of one row, (T,)."""
        return np.array([self.ids.get(token, UNKNOWN) for token in token_texts(value)], np.int32)

    def save(self, folder: Path) -> None:
        write_json(folder / f"{self.name}.json", {"values": self.values})

    def load(self, folder: Path) -> None:
        self._set(read_json(folder / f"{self.name}.json")["values"])

    def describe(self) -> list[str]:
        return [f"beside each word: column {self.column}, {len(self.values)} values"]
