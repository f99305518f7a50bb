"""The field of a column of token features, such as parts of speech, which are additional inputs of the network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np

from ..errors import DataError
from ..files import read_json, write_json
from .token_lists import UNKNOWN, TokenField, token_texts

MAX_VALUES = 100_000


@final
class TokenFeature(TokenField):
    """A categorical feature of each token. Values that do not occur in the training data are encoded as unknown."""

    option = "token-features"
    storage = "ragged:int32"

    def __init__(self, name: str, column: str) -> None:
        super().__init__(name, column)
        self.column: str = column
        self._set([])

    def fit(self, values: Iterable[Any]) -> None:
        """Collect the values."""
        counts: Counter[str] = Counter()
        for value in values:
            counts.update(token_texts(value))
            if len(counts) > MAX_VALUES:
                raise DataError(
                    f"column {self.column!r} has more than {MAX_VALUES:,} distinct values, too many for a token feature; "
                    "remove it from --token-features"
                )
        self._set(sorted(counts))

    def _set(self, values: Sequence[str]) -> None:
        self.values = list(values)
        self.ids = {value: at for at, value in enumerate(self.values, UNKNOWN + 1)}

    def __len__(self) -> int:
        """The number of ids, including those of padding and unknown values."""
        return len(self.values) + UNKNOWN + 1

    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        """The ids of each cell, int32 (T,)."""
        return [self.encode_tokens(value) for value in values]

    def encode_tokens(self, value: Any) -> np.ndarray:
        """The ids of one cell, int32 (T,)."""
        return np.array([self.ids.get(token, UNKNOWN) for token in token_texts(value)], np.int32)

    def save(self, folder: Path) -> None:
        """Write the values."""
        write_json(folder / f"{self.name}.json", {"values": self.values})

    def load(self, folder: Path) -> None:
        """Read the file that `save` wrote."""
        self._set(read_json(folder / f"{self.name}.json")["values"])

    def describe(self) -> list[str]:
        """A line with the column and the number of values."""
        return [f"token feature {self.column}: {len(self.values)} values"]
