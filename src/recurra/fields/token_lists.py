"""Base class of fields with an entry for each token of a sequence; how their columns are found, and which cells are valid."""

from __future__ import annotations

from abc import ABC
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

from ..data.sources.columns import by_name
from ..data.sources.conll import TokenColumns
from ..data.sources.list_cells import as_tokens
from ..data.sources.rows import Source
from ..data.sources.token_rows import TokenRows
from ..errors import DataError
from .base import Field

PAD, UNKNOWN = 0, 1  # the first two ids of an encoded token


class TokenField(Field, ABC):
    """A list of tokens, or of values of tokens, in each row.

    Attributes:
        option: The command line option for its column.
        names: Usual names of its column.
        position: The index of its column among the remaining columns of a file with one token per line or row.
    """

    sequence = True
    option: ClassVar[str]
    names: ClassVar[tuple[str, ...]] = ()
    position: ClassVar[int] = 0

    def find(self, source: Source, taken: Sequence[str]) -> str:
        """The column of the field: the one that the user chose, or one found by its position, its name or its content.

        Raises DataError if there is none, or several.
        """
        if self.column is not None:
            return resolve_column(source, self.column)
        free = free_columns(source, taken)
        named = by_name(free)
        for name in self.names:
            if name in named:
                return named[name]
        if source.format != "conllu" and isinstance(source, (TokenColumns, TokenRows)):
            return self._by_position(source, source.role_columns(free))
        rows = [row.values for row in source.first_rows()]
        candidates = [column for column in free if all(self.check(row.get(column)) is None for row in rows)]
        if len(candidates) == 1:
            return candidates[0]
        if candidates and source.facts is not None and source.facts.is_delimited and not source.facts.header:
            return candidates[self.position]  # as in a file of columns: the words first, the tags last
        existing = ", ".join(source.columns[:20])
        raise DataError(
            f"the {self.name} could be in column {' or '.join(map(repr, candidates))}; name the column with --{self.option}"
            if candidates
            else f"no column contains the {self.name} as lists; name it with --{self.option} (the columns are {existing})",
            file=source.path,
        )

    def _by_position(self, source: Source, free: Sequence[str]) -> str:
        if not free:
            raise DataError(
                "there is only one column: the tags are missing"
                if len(source.columns) < 2
                else f"no column is left for the {self.name}; name it with --{self.option}",
                file=source.path,
            )
        return free[self.position]

    def check(self, value: Any) -> str | None:
        """The problem of a cell that is not a list of tokens, or None."""
        tokens = as_tokens(value)
        if tokens is None:
            return "is missing" if value is None else f"is {value!r:.40}; expected a list of tokens"
        if not tokens:
            return "is empty"
        for at, token in enumerate(tokens, 1):
            if token is None or isinstance(token, (list, dict)) or not str(token).strip():
                return f"has {token!r:.40} as token {at}; expected text"
        return None


def token_texts(value: Any) -> list[str]:
    """The tokens of a cell as text; an empty list if the cell is not a list.

    >>> token_texts("B-PER O"), token_texts([0, 1]), token_texts(None)
    (['B-PER', 'O'], ['0', '1'], [])
    """
    return [str(token) for token in as_tokens(value) or ()]


def resolve_column(source: Source, requested: str) -> str:
    """The column with a name or a number. Raises DataError, which lists the columns, if there is none."""
    return source.need(_name_of(source, requested))


def free_columns(source: Source, taken: Sequence[str]) -> list[str]:
    """The columns that are not among `taken`, which are names or numbers."""
    others = {_name_of(source, column) for column in taken}
    return [column for column in source.columns if column not in others]


def _name_of(source: Source, requested: str) -> str:
    """The name of the column with a number; other values are returned unchanged."""
    if requested not in source.columns and requested.isdecimal() and 1 <= int(requested) <= len(source.columns):
        return source.columns[int(requested) - 1]
    return requested


def describe_unseen(unseen: Counter[str], plural: str) -> list[str]:
    """A line that reports tags or labels that do not occur in the training data; an empty list if there are none."""
    if not unseen:
        return []
    shown = ", ".join(f"{name} {count}" for name, count in unseen.most_common(3))
    return [
        f"{len(unseen)} {plural} of the validation data do not occur in the training data: {shown}; they count as errors"
    ]
