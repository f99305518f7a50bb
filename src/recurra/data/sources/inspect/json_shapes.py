"""The shape of a file of JSON: one object per line, one list of objects, or one object; and its columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from recurra.data.sources.usual_names import USUAL_NAMES
from recurra.errors import DataError

from .cells import describe_column
from .facts import ColumnFacts

SAMPLE = 200  # objects from which the columns are described
_BEGIN = 1 << 16  # characters of a long line that show what it is
_LARGEST_ITEM = 1 << 24  # characters of an item


def json_shape(lines: Sequence[str]) -> str:
    """Return jsonl, json (one list) or "json object" for the first lines of a file."""
    filled = list(islice((line for line in lines if line.strip()), 2))
    if not filled:
        return "jsonl"
    first = filled[0].lstrip()
    if first.startswith("["):
        return "json"
    if first.startswith("{"):
        try:
            json.loads(first)
        except json.JSONDecodeError:
            if first.rstrip() == "{" or first.rstrip().endswith((",", "[", "{", ":")):
                return "json object"
            if len(filled) == 1 and _begins_document(first):  # longer than the sample
                return "json object"
        except RecursionError:
            return "jsonl"
        else:
            return "json object" if len(filled) == 1 and _is_document(json.loads(first)) else "jsonl"
    return "jsonl"


def _begins_document(line: str) -> bool:
    """Whether a line that is cut off begins as an object with a list of objects, and not as a row."""
    key = re.match(r'\{\s*"([^"]+)"', line)
    is_row = key is None or key[1].lower() in USUAL_NAMES
    return not is_row and re.search(r'"\s*:\s*\[\s*\{', line[:_BEGIN]) is not None


def _is_document(value: dict[str, Any]) -> bool:
    """Whether the only object of a file has a list of rows and no usual name of a column, so that it is no row itself."""
    rows = (one for one in value.values() if isinstance(one, list) and len(one) > 1)
    return any(isinstance(one[0], dict) for one in rows) and not any(name.lower() in USUAL_NAMES for name in value)


def json_columns(lines: Sequence[str], shape: str) -> tuple[tuple[ColumnFacts, ...], int]:
    """Return the facts of the columns of the first objects, and the number of these objects."""
    if shape == "json object":
        return (), 0
    items = objects_in(iter(["".join(lines)]), cut=True) if shape == "json" else _lines_as_objects(lines)
    objects = list(islice(items, SAMPLE))
    rows = [flatten(one) for one in objects if isinstance(one, dict)]
    names = dict.fromkeys(name for row in rows for name in row)
    return tuple(describe_column(name, [row.get(name) for row in rows]) for name in names), len(rows)


def _lines_as_objects(lines: Sequence[str]) -> Iterator[Any]:
    for line in lines:
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):
            continue


def objects_in(chunks: Iterator[str], *, cut: bool = False) -> Iterator[Any]:
    """Yield the items of a JSON list that comes in pieces, one item in memory at a time.

    Args:
        chunks: the text in pieces of any size.
        cut: whether the text may end within the list, as a sample does.

    Raises:
        DataError: the text is not a JSON list. `row` is the number of the item.
    """
    decoder, buffer, number = json.JSONDecoder(), "", 0
    begun, error = False, "the list does not end"
    for chunk in chunks:
        buffer += chunk
        if not begun:
            buffer = buffer.lstrip("\ufeff \t\r\n")
            buffer, begun = buffer[1:], bool(buffer)
        while buffer := buffer.lstrip(" \t\r\n,"):
            if buffer[0] == "]":
                return
            try:
                value, end = decoder.raw_decode(buffer)
            except (json.JSONDecodeError, RecursionError) as problem:  # or the item continues in the next chunk
                error = str(problem)
                break
            number += 1
            yield value
            buffer = buffer[end:]
        if len(buffer) > _LARGEST_ITEM:
            break
    if not cut:
        raise DataError(f"not a JSON list: {error}", row=number + 1)


def flatten(values: dict[str, Any]) -> dict[str, Any]:
    """Return an object with the values of nested objects as further columns: {"a": {"b": 1}} has the column a.b."""
    if not any(isinstance(value, dict) for value in values.values()):
        return values
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat[name] = value
        if isinstance(value, dict):
            for inner, content in flatten({str(key): one for key, one in value.items()}).items():
                flat.setdefault(f"{name}.{inner}", content)
    return flat
