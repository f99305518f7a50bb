"""Rows that are pairs of texts, a source and a target, each in a column: which these are, and what is asked in use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...data.sources.sources import Source
from ...errors import CallError, DataError, SettingError
from ...fields.paired_text import Side
from .row_dataset import RowReader


def longer_than(most: int, lengths: np.ndarray, unit: str) -> list[str]:
    """The line that says how many pairs are too long to be trained on. SettingError when all are."""
    over = int((lengths > most).sum())
    if over == len(lengths):
        raise SettingError(f"max_length is {most}, and every pair has more {unit} on a side; make it larger")
    return [f"{over:,} pairs with more than {most} {unit} on a side are not trained on (max_length)"] if over else []


class TwoSided(RowReader):
    """`source` and `target` are the first two fields; each is kept as written beside its tokens: NAME_text."""

    source: Side
    target: Side

    def _columns(self, source: Source) -> dict[str, str]:
        found = self._find(source, self.fields[:2])
        if found["source"] == found["target"]:
            raise DataError(f"source and target are both {found['source']!r}; name them apart", file=source.path)
        return found | {"source_text": found["source"], "target_text": found["target"]}

    # use -----------------------------------------------------------------------------------------------------------
    def _value(self, example: Any, number: int) -> Any:
        """The source that an example means: a text, or a mapping that names its column."""
        if isinstance(example, dict):
            names = [name for name in (self.columns.get("source"), self.source.asked, "source") if name]
            found = [example[name] for name in names if name in example]
            if not found:
                raise self._lacks(example, number, " or ".join(map(repr, dict.fromkeys(names))))
            example = found[0]
        return self._usable(example, number)

    def _usable(self, value: Any, number: int) -> Any:
        if said := self.source.unusable(value):
            raise CallError(f"example {number}: source {said}")
        return value

    @staticmethod
    def _lacks(example: dict[str, Any], number: int, wanted: str) -> CallError:
        has = ", ".join(map(repr, example)) or "nothing"
        return CallError(f"example {number}: an input object wants {wanted}; this one has {has}")

    def inputs_of(self, source: Source) -> Iterator[Any]:
        known = self.columns.get("source")
        column = known if known in source.columns else self.source.find(source, ())
        return (row.values.get(column) for row in source.rows())
