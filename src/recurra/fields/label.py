"""The field of a class label."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, final

from ..data.sources import columns
from ..data.sources.sources import Source
from ..errors import DataError, near
from ..files import read_json, write_json
from .base import Field
from .label_names import label_text, look_alike_warnings

MULTI_LABEL = "multi-label"  # the option for several labels per row


@final
class Label(Field):
    """A class label, encoded as the index of the class in sorted order.

    Args:
        name: the name of the field.
        column: the column that the user named, or None to detect it.
        order: sort key of the class names, such as `float` for ratings.
        option: the option that names the column on the command line, used in error messages.
    """

    storage = "int64"
    is_scalar = True

    def __init__(
        self, name: str, column: str | None = None, *, order: Callable[[str], Any] = str, option: str = "label"
    ) -> None:
        super().__init__(name, column)
        self.order, self.option = order, option
        self.classes: list[str] = []
        self.combined = ""  # a line about cells that look like several labels
        self.counts: dict[str, int] = {}

    def find(self, source: Source, taken: Sequence[str]) -> str:
        """Return the named column, one with a common name of labels, or the only one whose short values repeat."""
        column = columns.find_label(source, self.column, exclude=taken)
        self.combined = _combined(source, column) if self.option == "label" else ""
        return column

    def check(self, value: Any) -> str | None:
        """A label must not be empty, and not be a list of several labels."""
        if isinstance(value, list | dict) and len(value) != 1:
            several = f"has {len(value)} labels, {str(value)[:40]}; use --{MULTI_LABEL} to learn several labels per row"
            return several if value else f"is an empty list; use --{MULTI_LABEL} if a row may have no label"
        return None if value is not None and label_text(value) else "is empty"

    def fit(self, values: Iterable[Any]) -> None:
        """Count the classes and sort them. Raises DataError for a single class and for more than 10,000 classes."""
        for value in values:
            label = label_text(value)
            self.counts[label] = self.counts.get(label, 0) + 1
            if len(self.counts) > 10_000:
                raise DataError(
                    f"{self.name} has more than 10,000 classes; use --{self.option} if this is the wrong column"
                )
        self.classes = self._sorted()
        if len(self.classes) == 1:
            raise DataError(f"all rows have the class {self.classes[0]!r}; classification needs two or more classes")

    def _sorted(self) -> list[str]:
        try:
            return sorted(self.counts, key=self.order)
        except ValueError as error:
            raise DataError(f"the classes of {self.name} cannot be sorted: {error}") from None

    def encode(self, values: Sequence[Any]) -> list[int]:
        """Return the class indices. Raises DataError for a class that is not in the training data."""
        indices = self.indices(values)
        if -1 in indices:
            unknown = label_text(values[indices.index(-1)])
            raise DataError(
                f"class {unknown!r} was not in the training data; {near(unknown, self.classes)} "
                "(or remove such rows, or include them in the training data)",
                row=indices.index(-1) + 1,
            )
        return indices

    def indices(self, values: Sequence[Any]) -> list[int]:
        """Return the class index of each value; -1 for a class that is not in the training data."""
        index = {label: i for i, label in enumerate(self.classes)}
        return [index.get(label_text(value), -1) for value in values]

    def save(self, folder: Path) -> None:
        """Write the classes and their counts."""
        write_json(folder / f"{self.name}.json", {"classes": self.classes, "counts": self.counts})

    def load(self, folder: Path) -> None:
        """Read the classes and their counts."""
        saved = read_json(folder / f"{self.name}.json")
        self.classes, self.counts = list(saved["classes"]), dict(saved["counts"])

    def describe(self) -> list[str]:
        """Describe the class frequencies, with a warning for classes of one row."""
        total = sum(self.counts.values())
        largest = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        shown = ", ".join(f"{label} {count / total:.0%}" for label, count in largest[:5])
        lines = [f"{len(self.classes)} classes: {shown}{', ...' if len(largest) > 5 else ''}"]
        lines += look_alike_warnings(self.counts, "classes")
        if self.combined:
            lines.append(self.combined)
        single = [label for label, count in largest if count == 1]
        if single:
            named = ", ".join(map(repr, single[:3])) + (", ..." if len(single) > 3 else "")
            lines.append(
                f"warning: class {named} has only one row, too few for training and validation; add rows or remove the class"
            )
        return lines


def _combined(source: Source, column: str) -> str:
    """A line about a column whose cells look like several labels although each is read as one class; empty if none does."""
    cells = [str(row.values.get(column)) for row in source.first_rows()]
    distinct = set(cells)
    if (
        len(distinct) > 2
        and all(re.fullmatch("[01]{3,}", cell) for cell in distinct)
        and len(set(map(len, distinct))) == 1
    ):
        example = next(iter(cells))
        return f"warning: classes such as {example!r:.40} look like one 0 or 1 per label; write a column for each label"
    for separator in ";|,":
        several = sum(separator in cell.strip(separator) for cell in distinct)
        if several > 1 and 5 * several > len(distinct):
            example = next(cell for cell in cells if separator in cell.strip(separator))
            return (
                f"classes such as {example!r:.40} contain {separator!r}; use --{MULTI_LABEL} if they are several labels"
            )
    return ""
