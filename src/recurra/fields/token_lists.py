"""What the fields of a tagged row have in common: where they are found, and lists with an entry a token."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

from ..data.sources.columns import by_name
from ..data.sources.conll import as_tokens
from ..data.sources.rows import Source
from ..errors import DataError
from .base import Field

PAD, UNKNOWN = 0, 1  # numbers of what is encoded


class TokenField(Field):
    """A list of tokens a row."""

    sequence = True
    option: ClassVar[str]  # what names its column on the command line
    known: ClassVar[tuple[str, ...]] = ()  # names that people give its column
    place: ClassVar[int] = 0  # of its column in a file of columns, which have no names, among those that are left

    def find(self, source: Source, taken: Sequence[str]) -> str:
        if self.asked is not None:
            return column_of(source, self.asked)
        free = free_columns(source, taken)
        if source.format == "columns":
            return self._by_place(source, free)
        called = by_name(free)
        for name in self.known:
            if name in called:
                return called[name]
        rows = [row.values for row in source.look()]
        fits = [column for column in free if all(self.check(row.get(column)) is None for row in rows)]
        there = ", ".join(source.columns[:20])
        if len(fits) == 1:
            return fits[0]
        raise DataError(
            f"the {self.name} could be {' or '.join(map(repr, fits))}; name the column with --{self.option}"
            if fits
            else f"no column holds the {self.name}, a list in each row; name it with --{self.option} (there are {there})",
            file=source.path,
        )

    def _by_place(self, source: Source, free: Sequence[str]) -> str:
        if not free:
            raise DataError(
                "there is one column only: no tags beside the words"
                if len(source.columns) < 2
                else f"no column is left for the {self.name}; name it with --{self.option}",
                file=source.path,
            )
        return free[self.place]

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

    @property
    def kind(self) -> str:
        return "ragged:int32"


def written(value: Any) -> list[str]:
    """The tokens in a cell as text; none where it holds no list."""
    return [str(token) for token in as_tokens(value) or ()]


def column_of(source: Source, asked: str) -> str:
    """The column of that name or number. DataError naming the ones there are."""
    return source.need(_numbered(source, asked))


def free_columns(source: Source, taken: Sequence[str]) -> list[str]:
    """The columns that are not among those taken, which are names or numbers."""
    others = {_numbered(source, column) for column in taken}
    return [column for column in source.columns if column not in others]


def _numbered(source: Source, asked: str) -> str:
    """What is no name but the number of a column, as its name; anything else as it is."""
    if asked not in source.columns and asked.isdecimal() and 1 <= int(asked) <= len(source.columns):
        return source.columns[int(asked) - 1]
    return asked


def unseen_in_words(unseen: Counter[str], what: str) -> list[str]:
    """What to say of tags or labels that the training data did not have, if there are any."""
    if not unseen:
        return []
    shown = ", ".join(f"{name} {count}" for name, count in unseen.most_common(3))
    return [
        f"{len(unseen)} {what} of the validation data are not in the training data: {shown}; they count as mistakes"
    ]
