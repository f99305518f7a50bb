"""The field of a class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, final

from ..data.sources import columns
from ..data.sources.sources import Source
from ..errors import DataError, near
from ..files import read_json, write_json
from .base import Field


@final
class Label(Field):
    """One of the classes.

    order    a key of the name by which the classes are sorted: `order=float` for ratings
    option   what names the column on the command line
    """

    storage = "int64"
    is_scalar = True

    def __init__(
        self, name: str, column: str | None, *, order: Callable[[str], Any] = str, option: str = "label"
    ) -> None:
        super().__init__(name, column)
        self.order, self.option = order, option
        self.classes: list[str] = []
        self.counts: dict[str, int] = {}

    def find(self, source: Source, taken: Sequence[str]) -> str:
        return columns.find_label(source, self.column, exclude=taken)

    def check(self, value: Any) -> str | None:
        return None if value is not None and str(value).strip() else "is empty"

    def fit(self, values: Iterable[Any]) -> None:
        for value in values:
            label = str(value).strip()
            self.counts[label] = self.counts.get(label, 0) + 1
            if len(self.counts) > 10_000:
                raise DataError(
                    f"more than 10,000 classes in {self.name}: is that the right column? --{self.option} names another"
                )
        self.classes = self._sorted()
        if len(self.classes) == 1:
            raise DataError(f"all rows have the one class {self.classes[0]!r}; to classify there must be two or more")

    def _sorted(self) -> list[str]:
        try:
            return sorted(self.counts, key=self.order)
        except ValueError as error:
            raise DataError(f"the classes in {self.name} cannot be put in order: {error}") from None

    def encode(self, values: Sequence[Any]) -> list[int]:
        found = self.numbers(values)
        if -1 in found:
            unknown = str(values[found.index(-1)]).strip()
            raise DataError(
                f"class {unknown!r} was not in the training data; {near(unknown, self.classes)} "
                f"(or leave such rows out, or train with them)",
                row=found.index(-1) + 1,
            )
        return found

    def numbers(self, values: Sequence[Any]) -> list[int]:
        """The number of each value's class; -1: not seen in training."""
        index = {label: i for i, label in enumerate(self.classes)}
        return [index.get(str(value).strip(), -1) for value in values]

    def save(self, folder: Path) -> None:
        write_json(folder / f"{self.name}.json", {"classes": self.classes, "counts": self.counts})

    def load(self, folder: Path) -> None:
        saved = read_json(folder / f"{self.name}.json")
        self.classes, self.counts = list(saved["classes"]), dict(saved["counts"])

    def describe(self) -> list[str]:
        total = sum(self.counts.values())
        largest = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        shown = ", ".join(f"{label} {count / total:.0%}" for label, count in largest[:5])
        lines = [f"{len(self.classes)} classes: {shown}{', ...' if len(largest) > 5 else ''}"]
        single = [label for label, count in largest if count == 1]
        if single:
            named = ", ".join(map(repr, single[:3])) + (", ..." if len(single) > 3 else "")
            lines.append(
                f"warning: only one row of class {named}: too few to learn it or to check it; add rows or drop it"
            )
        return lines
