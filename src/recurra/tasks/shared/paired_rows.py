"""Rows that are pairs of texts: what the datasets of such rows share.

The first two fields of their `RowReader` are the sides, `source` and `target`; the other two hold the texts as they are
written: `source_text` and `target_text`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...data.sources.sources import Source
from ...errors import CallError, DataError, SettingError
from .row_reader import Columns, RowReader


def too_long_message(max_length: int, lengths: np.ndarray, unit: str) -> list[str]:
    """The line that reports how many pairs are too long to be trained on. SettingError where all are."""
    over = int((lengths > max_length).sum())
    if over == len(lengths):
        raise SettingError(f"max_length is {max_length}, and every pair has more {unit} on a side; make it larger")
    if not over:
        return []
    return [f"{over:,} pairs with more than {max_length} {unit} on a side are not trained on (max_length)"]


def find_pair_columns(rows: RowReader, source: Source) -> Columns:
    """The columns of all four fields. DataError where both sides are one column."""
    found = rows.find_columns(source, rows.fields[:2])
    if found["source"] == found["target"]:
        raise DataError(f"source and target are both {found['source']!r}; name them apart", file=source.path)
    return found | {"source_text": found["source"], "target_text": found["target"]}


def source_value(rows: RowReader, example: Any, number: int) -> Any:
    """The source that an example gives: a text, or a mapping that names its column. `number`, from 1, is for messages."""
    if isinstance(example, dict):
        names = [name for name in (rows.columns.get("source"), rows.input.column, "source") if name]
        found = [example[name] for name in names if name in example]
        if not found:
            raise missing_key(example, number, " or ".join(map(repr, dict.fromkeys(names))))
        example = found[0]
    return checked_source(rows, example, number)


def checked_source(rows: RowReader, value: Any, number: int) -> Any:
    """The value of a source to predict from. CallError where it cannot be used."""
    if problem := rows.input.check_input(value):
        raise CallError(f"example {number}: source {problem}")
    return value


def missing_key(example: dict[str, Any], number: int, expected: str) -> CallError:
    """The error of an example that is an object without the expected keys."""
    has = ", ".join(map(repr, example)) or "nothing"
    return CallError(f"example {number}: an input object wants {expected}; this one has {has}")


def sources_in(rows: RowReader, source: Source) -> Iterator[Any]:
    """The sources to predict from in a table."""
    known = rows.columns.get("source")
    column = known if known in source.columns else rows.input.find(source, ())
    return (row.values.get(column) for row in source.rows())
