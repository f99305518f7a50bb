"""Fields of token lists, with an entry for each token of a row: how their columns are found, and which cells are lists."""

from __future__ import annotations

from abc import ABC
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

from ..data.sources.columns import by_name
from ..data.sources.conll import as_tokens
from ..data.sources.rows import Source
from ..errors import DataError
from .base import Field

PAD, UNKNOWN = 0, 1  # the first two ids of an encoded token


class TokenField(Field, ABC):
    """A list of tokens for each row.

    option    the option of the command line that names its column
    names     common names of its column
    position  where its column is in a file of columns, which have no names, among those that are left
    """

    sequence = True
    option: ClassVar[str]
    names: ClassVar[tuple[str, ...]] = ()
    position: ClassVar[int] = 0

    def find(self, source: Source, taken: Sequence[str]) -> str:
        if self.column is not None:
            return resolve_column(source, self.column)
        free = free_columns(source, taken)
        if source.format == "columns":
            return self._by_position(source, free)
        named = by_name(free)
        for name in self.names:
            if name in named:
                return named[name]
        rows = [row.values for row in source.look()]
        candidates = [column for column in free if all(self.check(row.get(column)) is None for row in rows)]
        if len(candidates) == 1:
            return candidates[0]
        existing = ", ".join(source.columns[:20])
        raise DataError(
            f"the {self.name} could be {' or '.join(map(repr, candidates))}; name the column with --{self.option}"
            if candidates
            else f"no column holds the {self.name}, a list in each row; name it with --{self.option} (there are {existing})",
            file=source.path,
        )

    def _by_position(self, source: Source, free: Sequence[str]) -> str:
        if not free:
            raise DataError(
                "there is one column only: no tags beside the words"
                if len(source.columns) < 2
                else f"no column is left for the {self.name}; name it with --{self.option}",
                file=source.path,
            )
        return free[self.position]

    def check(self, value: Any) -> str | None:
        tokens = as_tokens(value)
        if tokens is None:
            return "is missing" if value is None else f"is {value!r:.40}, not a list of tokens"
        if not tokens:
            return "is empty"
        for at, token in enumerate(tokens, 1):
            if token is None or isinstance(token, (list, dict)) or not str(token).strip():
                return f"has {token!r:.40} as token {at}; wanted text"
        return None


def token_texts(value: Any) -> list[str]:
    """The tokens in a cell as text; none where it holds no list."""
    return [str(token) for token in as_tokens(value) or ()]


def resolve_column(source: Source, requested: str) -> str:
    """The column of a name or a number. Raises DataError, which lists the columns, where there is none."""
    return source.need(_name_of(source, requested))


def free_columns(source: Source, taken: Sequence[str]) -> list[str]:
    """The columns that are not among those taken, which are names or numbers."""
    others = {_name_of(source, column) for column in taken}
    return [column for column in source.columns if column not in others]


def _name_of(source: Source, requested: str) -> str:
    """The name of the column with a number; anything else is returned unchanged."""
    if requested not in source.columns and requested.isdecimal() and 1 <= int(requested) <= len(source.columns):
        return source.columns[int(requested) - 1]
    return requested


def describe_unseen(unseen: Counter[str], what: str) -> list[str]:
    """The line that reports tags or labels that the training data do not have, if there are any."""
    if not unseen:
        return []
    shown = ", ".join(f"{name} {count}" for name, count in unseen.most_common(3))
    return [
        f"{len(unseen)} {what} of the validation data are not in the training data: {shown}; they count as mistakes"
    ]
