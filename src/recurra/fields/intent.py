"""The field of the label of a whole row, which is learnt together with its tags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

from ..data.sources.rows import Source
from ..errors import DataError
from ..files import read_json, write_json
from .base import Field
from .label import Label
from .token_lists import describe_unseen, free_columns, resolve_column

LABEL_NAMES = ("intent", "label", "class", "category", "意图", "类别")


@final
class RowLabel(Field):
    """The label of a whole row, such as the intent of a sentence.

    A label that the training data do not have is encoded as -1 and counted in `unseen`.
    """

    storage = "int64"
    is_scalar = True

    def __init__(self, name: str, column: str | None) -> None:
        super().__init__(name, column)
        self.label = Label(name, column, option="intent")
        self.unseen: Counter[str] = Counter()

    @property
    def classes(self) -> list[str]:
        """The classes, in the order of their ids."""
        return self.label.classes

    def find(self, source: Source, taken: Sequence[str]) -> str:
        return resolve_column(source, self.column or find_row_label(source, taken) or self.name)

    def check(self, value: Any) -> str | None:
        return f"is {value!r:.40}, and not one label of the row" if isinstance(value, list) else self.label.check(value)

    def fit(self, values: Iterable[Any]) -> None:
        try:
            self.label.fit(values)
        except DataError as error:
            raise DataError(f"{error.message}; to learn the tags alone: --sentence-label none") from None

    def encode(self, values: Sequence[Any]) -> list[int]:
        ids = self.label.numbers(values)
        self.unseen.update(str(value).strip() for value, at in zip(values, ids, strict=True) if at < 0)
        return ids

    @contextmanager
    def separate_counts(self) -> Iterator[Counter[str]]:
        """A new `unseen` for what is encoded inside the block; afterwards the counts are as before."""
        saved, self.unseen = self.unseen, Counter()
        try:
            yield self.unseen
        finally:
            self.unseen = saved

    def save(self, folder: Path) -> None:
        saved = {"classes": self.label.classes, "counts": self.label.counts, "unseen": self.unseen}
        write_json(folder / f"{self.name}.json", saved)

    def load(self, folder: Path) -> None:
        self.label.load(folder)
        saved = read_json(folder / f"{self.name}.json")
        self.unseen = Counter(saved.get("unseen", {}))  # older runs have none

    def describe(self) -> list[str]:
        return [f"intent: {line}" for line in self.label.describe()] + describe_unseen(self.unseen, "intents")


def find_row_label(source: Source, taken: Sequence[str]) -> str | None:
    """A column with a name that labels of rows have, and with one short text in each row; or None."""
    if source.format in ("columns", "conllu"):
        return None
    by_name = {column.strip().lower(): column for column in free_columns(source, taken)}
    for name in LABEL_NAMES:
        if name in by_name:
            values = [row.values.get(by_name[name]) for row in source.look()]
            if all(isinstance(value, (str, int)) and len(str(value).split()) == 1 for value in values):
                return by_name[name]
    return None
