"""The field of the label of a whole sequence, which is learnt together with its tags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

from ..data.sources.conll import TokenColumns
from ..data.sources.rows import Source
from ..data.sources.token_rows import TokenRows
from ..errors import DataError
from ..files import read_json, write_json
from .base import Field
from .label import Label
from .label_names import label_text
from .token_lists import describe_unseen, free_columns, resolve_column

LABEL_NAMES = ("intent", "label", "class", "category", "意图", "类别")  # usual names of the column


@final
class SentenceLabel(Field):
    """The label of a whole sequence, such as the intent of a sentence.

    A label that does not occur in the training data is encoded as -1 and counted in `unseen`.
    """

    storage = "int64"
    is_scalar = True

    def __init__(self, name: str, column: str | None) -> None:
        super().__init__(name, column)
        self.label = Label(name, column, option="sentence-label")
        self.unseen: Counter[str] = Counter()

    @property
    def classes(self) -> list[str]:
        """The classes, in the order of their ids."""
        return self.label.classes

    def find(self, source: Source, taken: Sequence[str]) -> str:
        """The column of the label: the one that the user chose, or one with a usual name."""
        return resolve_column(source, self.column or find_sentence_label(source, taken) or self.name)

    def check(self, value: Any) -> str | None:
        """The problem of a value that is not a label, or None."""
        return f"is {value!r:.40}; expected one label" if isinstance(value, list) else self.label.check(value)

    def fit(self, values: Iterable[Any]) -> None:
        """Collect the classes."""
        try:
            self.label.fit(values)
        except DataError as error:
            raise DataError(f"{error.message}; to learn only the tags, use --sentence-label none") from None

    def encode(self, values: Sequence[Any]) -> list[int]:
        """The id of each class, -1 for an unseen class."""
        ids = self.label.indices(values)
        self.unseen.update(label_text(value) for value, at in zip(values, ids, strict=True) if at < 0)
        return ids

    @contextmanager
    def separate_counts(self) -> Iterator[Counter[str]]:
        """A new counter `unseen` for values encoded in the block; the previous counts are restored afterwards."""
        saved, self.unseen = self.unseen, Counter()
        try:
            yield self.unseen
        finally:
            self.unseen = saved

    def save(self, folder: Path) -> None:
        """Write classes and counts."""
        saved = {"classes": self.label.classes, "counts": self.label.counts, "unseen": self.unseen}
        write_json(folder / f"{self.name}.json", saved)

    def load(self, folder: Path) -> None:
        """Read the file that `save` wrote."""
        self.label.load(folder)
        saved = read_json(folder / f"{self.name}.json")
        self.unseen = Counter(saved.get("unseen", {}))

    def describe(self) -> list[str]:
        """Lines about classes and unseen classes."""
        lines = [f"sentence label: {line}" for line in self.label.describe()]
        return lines + describe_unseen(self.unseen, "sentence labels")


def find_sentence_label(source: Source, taken: Sequence[str]) -> str | None:
    """A column with a usual name of labels and a single word in each row, or None."""
    if isinstance(source, (TokenColumns, TokenRows)):
        return None
    by_name = {column.strip().lower(): column for column in free_columns(source, taken)}
    for name in LABEL_NAMES:
        if name in by_name:
            values = [row.values.get(by_name[name]) for row in source.first_rows()]
            if all(isinstance(value, (str, int)) and len(str(value).split()) == 1 for value in values):
                return by_name[name]
    return None
