"""Functions that datasets of pairs of texts share.

The first two fields of their `RowReader` are `source` and `target`, as tokens; the other two, `source_text` and `target_text`,
store the unmodified texts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...data.sources.inspect.json_shapes import flatten
from ...data.sources.sources import Source
from ...errors import CallError, DataError, SettingError
from .row_reader import Columns, RowReader


def too_long_message(max_length: int, lengths: np.ndarray, unit: str) -> list[str]:
    """A message that reports how many pairs are too long for training, if there are any. SettingError if all are too long."""
    too_long = int((lengths > max_length).sum())
    if too_long == len(lengths):
        raise SettingError(
            f"max_length is {max_length}, and every pair has a source or target with more {unit}; increase max_length"
        )
    if not too_long:
        return []
    return [
        f"{too_long:,} pairs with a source or target of more than {max_length} {unit} are not used for training (max_length)"
    ]


def find_pair_columns(rows: RowReader, source: Source) -> Columns:
    """The columns of all four fields. DataError if source and target are the same column."""
    columns = rows.find_columns(source, rows.fields[:2])
    if columns["source"] == columns["target"]:
        raise DataError(
            f"source and target are both column {columns['source']!r}; name two different columns", file=source.path
        )
    return columns | {"source_text": columns["source"], "target_text": columns["target"]}


def source_value(rows: RowReader, example: Any, number: int) -> Any:
    """The source of an example, which is a text or a dictionary with the column's name. `number`, from 1, is for messages."""
    if isinstance(example, dict):
        example = flatten(example)
        names = [name for name in (rows.columns.get("source"), rows.input.column, "source") if name]
        sources = [example[name] for name in names if name in example]
        if not sources:
            raise missing_key(example, number, " or ".join(map(repr, dict.fromkeys(names))))
        example = sources[0]
    return checked_source(rows, example, number)


def checked_source(rows: RowReader, value: Any, number: int) -> Any:
    """The value of a source, checked for prediction. CallError if it cannot be used."""
    if problem := rows.input.check_input(value):
        raise CallError(f"example {number}: source {problem}")
    return value


def missing_key(example: dict[str, Any], number: int, expected: str) -> CallError:
    """The error for an example that is an object without the expected keys."""
    keys = ", ".join(map(repr, example)) or "no keys"
    return CallError(f"example {number}: an input object requires {expected}; this one has {keys}")
