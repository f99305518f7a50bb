"""The field of several labels per row: a set of names, which may be empty."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, final

import numpy as np

from ..data.sources.rows import Row, Source
from ..errors import DataError, near
from ..files import read_json, write_json
from .base import Field
from .label_columns import LabelForm, find_label_form, split_labels, truth
from .label_names import label_text, look_alike_warnings

MAX_LABELS = 10_000


@final
class Labels(Field):
    """A set of labels, encoded as one 0 or 1 for each label.

    Args:
        name: the name of the field.
        column: the column that the user named, the columns of the labels separated by commas, or None to detect them.
    """

    is_scalar = True

    def __init__(self, name: str, column: str | None = None) -> None:
        super().__init__(name, None if column is not None and "," in column else column)
        self.requested = column
        self.form: LabelForm | None = None
        self.classes: list[str] = []
        self.counts: dict[str, int] = {}
        self.rows = self.empty_rows = 0

    @property
    def storage(self) -> str:
        """One byte for each label."""
        return f"uint8:{len(self.classes)}"

    @property
    def more_columns(self) -> Sequence[str]:
        """All columns of the labels."""
        return () if self.form is None else self.form.columns

    def find(self, source: Source, taken: Sequence[str]) -> str:
        """Return the column of the labels, or the first of their columns."""
        form = self.form
        if form is not None and form.kind == "cells" and self.column is not None:
            self.form = replace(
                form, columns=(source.need(self.column),)
            )  # in use, another file may have another column
        elif form is None or form.columns[0] not in source.columns:
            self.form = find_label_form(source, self.requested, True)
        assert self.form is not None
        column = self.form.columns[0]
        if column not in source.columns:
            return source.need(column)
        source.reasons[column] = self.form.reason or source.reasons.get(column, "")
        return column

    def value(self, row: Row, column: str) -> Any:
        """The cell of the labels, or the cells of the columns of the labels."""
        if self.form is None or self.form.kind != "columns":
            return row.values.get(column)
        return {name: row.values.get(name) for name in self.form.columns}

    def check(self, value: Any) -> str | None:
        """A set may be empty, but not missing."""
        if isinstance(value, dict) and self.form is not None and self.form.kind == "columns":
            wrong = next((name for name, cell in value.items() if truth(cell) is None), None)
            return None if wrong is None else f"has {value[wrong]!r:.40} in column {wrong!r}; expected 0 or 1"
        if value is None:
            return "is missing; a row without labels has an empty cell or []"
        if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, list | dict) for one in value)):
            return f"is {value!r:.40}; expected a list of labels"
        return None

    def names(self, value: Any) -> list[str]:
        """The labels in a value."""
        if isinstance(value, dict):
            return [label_text(name) for name, cell in value.items() if truth(cell)]
        return split_labels(value, None if self.form is None else self.form.separator)

    def fit(self, values: Iterable[Any]) -> None:
        """Count the labels. Raises DataError if there are none, or more than 10,000."""
        form = self.form
        if form is not None and form.kind == "columns":
            self.counts = dict.fromkeys(map(label_text, form.columns), 0)
        for value in values:
            names = self.names(value)
            self.rows, self.empty_rows = self.rows + 1, self.empty_rows + (not names)
            for name in names:
                self.counts[name] = self.counts.get(name, 0) + 1
            if len(self.counts) > MAX_LABELS:
                raise DataError(
                    f"the column has more than {MAX_LABELS:,} labels; select another column with --label, or use "
                    "--no-multi-label if each cell is one class"
                )
        if not any(self.counts.values()):
            raise DataError("no row has a label")
        self.classes = list(self.counts) if form is not None and form.kind == "columns" else sorted(self.counts)

    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        """Return uint8 (K,) for each value. Raises DataError for a label that is not in the training data."""
        index = {label: at for at, label in enumerate(self.classes)}
        rows = []
        for number, value in enumerate(values, 1):
            row = np.zeros(len(self.classes), np.uint8)
            for name in self.names(value):
                if name not in index:
                    raise DataError(
                        f"label {name!r} was not in the training data; {near(name, self.classes)} "
                        "(or remove such rows, or include them in the training data)",
                        row=number,
                    )
                row[index[name]] = 1
            rows.append(row)
        return rows

    def save(self, folder: Path) -> None:
        """Write the labels, their counts and their form."""
        form = None if self.form is None else self.form.to_json()
        saved = {"classes": self.classes, "counts": self.counts, "form": form}
        write_json(folder / f"{self.name}.json", {**saved, "rows": self.rows, "empty_rows": self.empty_rows})

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        saved = read_json(folder / f"{self.name}.json")
        self.classes, self.counts = list(saved["classes"]), dict(saved["counts"])
        self.form = None if saved["form"] is None else LabelForm.from_json(saved["form"])
        self.rows, self.empty_rows = int(saved["rows"]), int(saved["empty_rows"])

    def describe(self) -> list[str]:
        """Lines about the form of the labels, their frequencies, and labels that look alike."""
        rows = max(self.rows, 1)
        largest = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        shown = ", ".join(f"{label} {count / rows:.1%}" for label, count in largest[:5])
        lines = [
            f"multi-label: {self.form.reason if self.form else 'as requested'}; --no-multi-label for one class per row",
            f"{len(self.classes)} labels, {sum(self.counts.values()) / rows:.2f} per row, {self.empty_rows:,} rows without "
            f"a label: {shown}{', ...' if len(largest) > 5 else ''}",
        ]
        rare = [label for label, count in largest if count < 2]
        if rare:
            named = ", ".join(map(repr, rare[:3])) + (", ..." if len(rare) > 3 else "")
            lines.append(f"warning: label {named} occurs in fewer than two rows, too few for training and validation")
        return lines + look_alike_warnings(self.counts, "labels")
