"""The type of a cell and of a column."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from recurra.data.series.integer_times import is_surely_time
from recurra.data.series.times import is_time_of_day, scan
from recurra.data.sources.numbers import MISSING, split_number

from .facts import ColumnFacts

MIN_SHARE = 0.95  # of the cells of a column that have its type
_INTEGER = re.compile(r"[-+]?\d+")


def is_missing(value: Any) -> bool:
    """Whether a cell stands for no value."""
    return value is None or (isinstance(value, str) and value.strip().lower() in MISSING)


def type_of(value: Any) -> str:
    """Return integer, number, time, boolean, list, object or text; empty for a missing value."""
    if is_missing(value):
        return "empty"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number" if math.isfinite(value) else "empty"
    if isinstance(value, dict):
        return "object"
    if isinstance(value, (list, tuple)):
        return "list"
    text = str(value).strip()
    if _INTEGER.fullmatch(text):
        return "integer"
    if scan(text) is not None or is_time_of_day(text):
        return "time" if not _is_plain_number(text) else "number"
    return "number" if _is_plain_number(text) or split_number(text) is not None else "text"


def _is_plain_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def column_type(values: Iterable[Any]) -> str:
    """Return the type of nearly all values; text where there is none, empty where all are missing."""
    counts: dict[str, int] = {}
    for value in values:
        kind = type_of(value)
        counts[kind] = counts.get(kind, 0) + 1
    counts.pop("empty", None)
    total = sum(counts.values())
    if not total:
        return "empty"
    if counts.get("integer", 0) and counts.get("number", 0):
        counts["number"] += counts.pop("integer")
    kind = max(counts, key=lambda name: counts[name])
    return kind if counts[kind] >= MIN_SHARE * total else "text"


def describe_column(name: str, values: Sequence[Any]) -> ColumnFacts:
    """Return the facts of a column by the values of the sampled rows."""
    shown = [shortened(value) for value in values if not is_missing(value)]
    examples = tuple(dict.fromkeys(shown[:50]))[:3]
    missing = sum(map(is_missing, values))
    kind = column_type(values)
    if kind == "integer" and is_surely_time([str(value).strip() for value in values if not is_missing(value)]):
        kind = "time"  # 20200131, or seconds since 1970
    return ColumnFacts(name, kind, examples, missing, len(set(shown)))


def shortened(value: Any, length: int = 40) -> str:
    """Return a cell in one line for a message, shortened."""
    text = " ".join(str(value).split())
    return text if len(text) <= length else f"{text[: length - 3]}..."
