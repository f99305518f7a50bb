"""The field of the label of a whole row, which is learnt beside its tags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..data.sources.rows import Source
from ..errors import DataError
from ..files import read_json, write_json
from .label import Label
from .token_lists import column_of, free_columns, unseen_in_words

LABEL_NAMES = ("intent", "label", "class", "category", "意图", "类别")


class RowLabel(Label):
    """The label of the whole row, learnt beside the tags. -1: not seen in training, and counted."""

    option = "intent"

    def __init__(self, name: str, asked: str | None) -> None:
        super().__init__(name, asked)
        self.unseen: Counter[str] = Counter()

    def find(self, source: Source, taken: Sequence[str]) -> str:
        return column_of(source, self.asked or find_row_label(source, taken) or self.name)

    def check(self, value: Any) -> str | None:
        return f"is {value!r:.40}, and not one label of the row" if isinstance(value, list) else super().check(value)

    def fit(self, values: Iterable[Any]) -> None:
        try:
            super().fit(values)
        except DataError as error:
            raise DataError(f"{error.message}; to learn the tags alone: --intent none") from None

    def encode(self, values: Sequence[Any]) -> list[int]:
        found = self.numbers(values)
        self.unseen.update(str(value).strip() for value, at in zip(values, found, strict=True) if at < 0)
        return found

    def save(self, folder: Path) -> None:
        saved = {"classes": self.classes, "counts": self.counts, "unseen": self.unseen}
        write_json(folder / f"{self.name}.json", saved)

    def load(self, folder: Path) -> None:
        super().load(folder)
        saved = read_json(folder / f"{self.name}.json")
        self.unseen = Counter(saved.get("unseen", {}))  # older runs have none

    def describe(self) -> list[str]:
        return [f"intent: {line}" for line in super().describe()] + unseen_in_words(self.unseen, "intents")


def find_row_label(source: Source, taken: Sequence[str]) -> str | None:
    """A column with a name that the label of a row has, and one short text in each row; or None."""
    if source.format in ("columns", "conllu"):
        return None
    by_name = {column.strip().lower(): column for column in free_columns(source, taken)}
    for name in LABEL_NAMES:
        if name in by_name:
            values = [row.values.get(by_name[name]) for row in source.look()]
            if all(isinstance(value, (str, int)) and len(str(value).split()) == 1 for value in values):
                return by_name[name]
    return None
