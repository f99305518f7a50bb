"""The type of a cell and of a column."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from .facts import ColumnFacts

MISSING = frozenset(("", "na", "n/a", "nan", "null", "none", "nil", ".", "-", "?", "#n/a"))
MIN_SHARE = 0.95  # of the cells of a column that have its type
_DATE = r"\d{4}[-/.]\d{1,2}([-/.]\d{1,2})?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}"
_CLOCK = r"\d{1,2}:\d{2}(:\d{2}.*)?"
_TIME = re.compile(f"({_DATE})([T ]{_CLOCK})?|{_CLOCK}")
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
    try:
        float(text)
        return "number"
    except ValueError:
        return "time" if _TIME.fullmatch(text) else "text"


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
    return ColumnFacts(name, column_type(values), examples, missing, len(set(shown)))


def shortened(value: Any, length: int = 40) -> str:
    """Return a cell in one line for a message, shortened."""
    text = " ".join(str(value).split())
    return text if len(text) <= length else f"{text[: length - 3]}..."
