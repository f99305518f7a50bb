"""What a field is: one column of a table, as a task sees it. Each kind of field adds its own file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..data.sources.sources import Row, Source
from ..data.words.token_stream import TokenStream


class Field(ABC):
    """`name` is what the network and `predict` call it, `asked` the column the user named, if any."""

    sequence: ClassVar[bool] = False  # has a length
    is_scalar: ClassVar[bool] = False  # a value is one label or number: all of them fit into memory
    is_fitted: ClassVar[bool] = True  # `fit` reads the values

    def __init__(self, name: str, column: str | None = None) -> None:
        self.name, self.column = name, column

    @abstractmethod
    def find(self, source: Source, taken: Sequence[str]) -> str:
        """The column of `source` that is this field."""

    def value(self, row: Row, column: str) -> Any:
        """What a row has in its column."""
        return row.values.get(column)

    def key(self, value: Any) -> str:
        """What makes a value the same as another: equal keys are repeated rows, and go to one part of a split."""
        return str(value)

    def check(self, value: Any) -> str | None:
        """What is wrong with a value, in words, or None."""
        return None if value is not None else "is missing"

    def check_input(self, value: Any) -> str | None:
        """As `check`, for a value to predict from."""
        return self.check(value)

    def normalize_input(self, example: Any) -> Any:
        """The value that somebody who predicts means by what he gives."""
        return example

    def is_single_input(self, file: str) -> bool:
        """Whether a file to predict from is one value, and no table or file of lines."""
        return False

    @abstractmethod
    def fit(self, values: Iterable[Any]) -> None:
        """Learn what encoding needs, in one pass."""

    @property
    @abstractmethod
    def storage(self) -> str:
        """How the store keeps it."""

    @abstractmethod
    def encode(self, values: Sequence[Any]) -> list[Any]:
        """Arrays or numbers for the store, one a value."""

    def stream(self) -> TokenStream:
        """For a sequence that arrives in pieces: its encoding, as far as no later piece can change it."""
        raise NotImplementedError(f"{self.name} has no pieces")

    def why_not_streamable(self) -> str | None:
        """Why a value must be whole before it is encoded, in words; None where it may come in pieces."""
        return None

    def empty(self) -> np.ndarray:
        """A sequence of no steps, encoded."""
        raise NotImplementedError(f"{self.name} has no steps")

    @abstractmethod
    def save(self, folder: Path) -> None: ...

    @abstractmethod
    def load(self, folder: Path) -> None: ...

    def describe(self) -> list[str]:
        return []
