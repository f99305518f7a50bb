"""Rows of JSON: one object per line (JSON Lines), or one list of objects. Nested objects have columns such as `a.b`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from typing import Any

from recurra.data.sources.files import open_lines, reading, wrong_characters
from recurra.data.sources.inspect.json_shapes import flatten, objects_in
from recurra.data.sources.rows import FIRST_ROWS, Row, Source
from recurra.errors import DataError

_CHUNK = 1 << 18  # characters of a JSON list read at once
_SURROGATES = re.compile("[\ud800-\udfff]")
_BYTES = re.compile("[\udc80-\udcff]")  # bytes that are invalid in the encoding


class _Objects(Source):
    """Rows that are JSON objects. Missing keys are None."""

    @cached_property
    def columns(self) -> list[str]:
        """The keys of the first 1,000 rows; those of nested objects joined by a point."""
        names: dict[str, None] = {}
        for row in islice(self._objects(), FIRST_ROWS):
            if isinstance(row, Row):
                names.update(dict.fromkeys(row.values))
        return list(names)

    def _read(self) -> Iterator[Row | DataError]:
        blank = dict.fromkeys(self.columns)
        for row in self._objects():
            if isinstance(row, Row):
                row.values = blank | row.values
            yield row

    def _objects(self) -> Iterator[Row | DataError]:
        raise NotImplementedError

    @staticmethod
    def _checked(row: Row, value: Any, may_have_surrogates: bool) -> Row | DataError:
        if not isinstance(value, dict):
            return row.error("not a JSON object {...}")
        row.values = flatten(_replace_surrogates(value) if may_have_surrogates else value)
        return row


class JsonLines(_Objects):
    """JSON Lines: one object per line."""

    format = "jsonl"

    def _objects(self) -> Iterator[Row | DataError]:
        number = 0
        with reading(self.path), open_lines(self.path, self.encoding, "\n") as stream:
            for line, text in enumerate(stream, 1):
                if text.isspace():
                    continue
                number += 1
                row = Row(number, {}, self.path, line)
                if wrong := wrong_characters(text, self.encoding):
                    yield row.error(wrong)
                    continue
                try:
                    value = json.loads(text)
                except (ValueError, RecursionError) as error:
                    yield row.error(f"not JSON: {error}")
                    continue
                yield self._checked(row, value, "\\ud" in text.lower())


class JsonList(_Objects):
    """A file that is one JSON list of objects. It is read in pieces."""

    format = "json"

    def _objects(self) -> Iterator[Row | DataError]:
        with reading(self.path), open_lines(self.path, self.encoding, None) as stream:
            chunks = iter(lambda: stream.read(_CHUNK), "")
            try:
                for number, value in enumerate(objects_in(chunks), 1):
                    row = Row(number, {}, self.path)
                    text = json.dumps(value, ensure_ascii=False)
                    if _BYTES.search(text):
                        yield row.error(wrong_characters(text, self.encoding) or "")
                    else:
                        yield self._checked(row, value, _SURROGATES.search(text) is not None)
            except DataError as error:
                raise DataError(error.message, file=self.path, row=error.row) from None


def json_object_problem(path: Any, encoding: str) -> str:
    """Return the message about a file that is one JSON object, with the key under which it has rows, if there is one."""
    with reading(path), open_lines(path, encoding, None) as stream:
        try:
            value = json.load(stream)
        except (ValueError, RecursionError, MemoryError) as error:
            return f"not JSON: {error}"
    lists = [key for key, one in value.items() if isinstance(one, list) and one] if isinstance(value, dict) else []
    keys = ", ".join(map(repr, list(value)[:5])) if isinstance(value, dict) else "none"
    what = f"the file is one JSON object with the keys {keys}; expected one object per line (JSON Lines), or a list"
    if not lists:
        return f"{what} of objects"
    key = max(lists, key=lambda name: len(value[name]))
    return (
        f"{what} of objects. Its key {key!r} has a list of {len(value[key]):,}: extract it, such as with "
        f"jq -c '.{key}[]' {path.name} > {path.stem}.jsonl"
    )


def _replace_surrogates(value: Any) -> Any:
    """Replace lone surrogates, which an escape such as \\ud83d can write, by U+FFFD."""
    if isinstance(value, str):
        return _SURROGATES.sub("\ufffd", value)
    if isinstance(value, list):
        return [_replace_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_replace_surrogates(key): _replace_surrogates(item) for key, item in value.items()}
    return value
