"""The base class of fields. A field reads one column of a table; each type of value has its own module."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..data.sources.sources import Row, Source
from ..data.words.token_stream import TokenStream
from ..errors import DataError


def fit_field(field: Field, values: Iterator[Any], file: Path) -> None:
    """Fit a field to the values of a file. A DataError of the field gets the file, if it has none."""
    try:
        field.fit(values)
    except DataError as error:
        raise error if error.file else DataError(str(error), file=file) from None


class Field(ABC):
    """Reads one column of a table: finds it, checks its values, fits an encoding, encodes, and saves what was fitted.

    A subclass implements `find`, `storage`, `fit`, `encode`, `save` and `load`. The input field of a task that streams also
    implements `stream` and `empty`. A message that `check` or `check_input` returns is the end of a sentence, such as "is
    empty"; the reader adds the file, the row and the column.

    Args:
        name: the name in batches, in results and in the files of the run folder.
        column: the column that the user named, or None: `find` then detects it.

    Attributes:
        sequence: True where a value is a sequence of time steps, and not one label or number.
        is_scalar: True where a value is one label or number, so that the values of all rows fit into memory.
        fitted: the attributes that `fit` sets and `load` does not, because a run has them in its settings.
        is_fitted: False where `fit` does not read the values; this saves a pass over the data.
        names_files: True where a value may be the name of a media file: names in a file are relative to its folder.

    Example:
        A target of two numbers for each example:

        >>> from recurra.fields import Field
        >>> class Position(Field):
        ...     storage = "float32:2"
        ...     def find(self, source, taken): return source.need(self.column or self.name)
        ...     def fit(self, values): pass
        ...     def encode(self, values): return [[float(number) for number in value] for value in values]
        ...     def save(self, folder): pass
        ...     def load(self, folder): pass
        >>> Position("position").encode([[1, 2]])
        [[1.0, 2.0]]
        >>> Position("position").check(None)
        'is missing'
    """

    sequence: ClassVar[bool] = False
    is_scalar: ClassVar[bool] = False
    is_fitted: ClassVar[bool] = True
    fitted: ClassVar[tuple[str, ...]] = ()
    names_files: ClassVar[bool] = False

    def __init__(self, name: str, column: str | None = None) -> None:
        self.name, self.column = name, column

    @property
    def more_columns(self) -> Sequence[str]:
        """Further columns that the field reads, once `find` has found the first one."""
        return ()

    @abstractmethod
    def find(self, source: Source, taken: Sequence[str]) -> str:
        """Return the name of the column.

        Args:
            source: the rows; `source.columns` are the names and `source.first_rows()` the first 1,000 rows.
            taken: columns of other fields, which must not be returned.

        Raises:
            DataError: there is no such column, or several columns are possible.
        """

    def inspect(self, source: Source, column: str) -> None:  # noqa: B027  most fields do not depend on the file
        """Look at the first rows of the field's column in a file that is about to be read. By default nothing happens."""

    def value(self, row: Row, column: str) -> Any:
        """Return the value of a row; by default the content of the column."""
        return row.values.get(column)

    def key(self, value: Any) -> str:
        """Return a key that is equal for equal values: repeated rows go to the same part of a split."""
        return str(value)

    def check(self, value: Any) -> str | None:
        """Return None if a training value can be used, otherwise the problem as a phrase, such as `is empty`."""
        return None if value is not None else "is missing"

    def check_input(self, value: Any) -> str | None:
        """Return what is wrong with a value at inference; by default the same as `check`."""
        return self.check(value)

    def of_mapping(self, example: Mapping[str, Any], name: str) -> Any:
        """Return the value of an example of `predict` that is a mapping. Raises DataError if other keys change its meaning."""
        return example[name]

    def normalize_input(self, example: Any) -> Any:
        """Convert an example given to `predict` to a value of the field; by default the example itself."""
        return example

    def is_single_input(self, file: str) -> bool:
        """Return whether a file given to `predict` is one value, such as an image, rather than a table or lines of text."""
        return False

    @abstractmethod
    def fit(self, values: Iterable[Any]) -> None:
        """Fit the encoding to the values of all rows, in one pass."""

    @property
    @abstractmethod
    def storage(self) -> str:
        """The format of an encoded value in the store.

        `int64` or `float32`: one number; `float32:3`: three numbers; `ragged:int32`: a sequence of numbers;
        `ragged:float32:2`: a sequence of pairs.
        """

    @abstractmethod
    def encode(self, values: Sequence[Any]) -> list[Any]:
        """Return one array or number for each value, in the format of `storage`.

        Raises:
            DataError: a value cannot be encoded. `row` is its position in `values`, counted from 1.
        """

    def keep(self, folder: Path | None) -> None:  # noqa: B027  most fields keep nothing
        """Keep in `folder` what `fit` computes of each value and `encode` would compute again. None: forget it.

        By default nothing is kept.
        """

    def encode_fitted(self, begin: int, end: int) -> list[Any] | None:
        """Return the encoded values[begin:end] of those that `fit` has read; None if they were not kept."""
        return None

    def stream(self) -> TokenStream:
        """Return an encoder of chunks: `push(chunk)` and `flush()` return encoded time steps that no later chunk can change."""
        raise NotImplementedError(f"{self.name} cannot be encoded in chunks")

    def why_not_streamable(self) -> str | None:
        """Return why a value cannot be encoded in chunks, or None if it can."""
        return None

    def empty(self) -> np.ndarray:
        """Return an encoded sequence without time steps."""
        raise NotImplementedError(f"{self.name} is not a sequence")

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what was fitted to `folder`, as JSON."""

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""

    def describe(self) -> list[str]:
        """Return the lines that `train` prints about the field."""
        return []
