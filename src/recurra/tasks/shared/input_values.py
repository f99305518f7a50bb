"""The input of an example of `predict`: the key that an object has for it, and files whose lines name media files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...data.sources.files import open_lines, reading, resolved, wrong_characters
from ...data.sources.inspect.json_shapes import flatten
from ...data.sources.json_line import parse_json_line
from ...data.sources.rows import Row
from ...errors import CallError, DataError, UserError
from ...fields.base import Field


def key_of_input(example: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return the first of `names` that is a key of an example. Raises CallError if none is."""
    for name in names:
        if name in example:
            return name
    expected = " or ".join(dict.fromkeys(map(repr, names)))
    keys = ", ".join(map(repr, example)) or "no keys"
    raise CallError(f"an input object requires the key {expected}; this one has {keys}")


def named_in_lines(file: str, encoding: str, field: Field, names: Sequence[str]) -> Iterator[Any]:
    """Yield the input of each line, also of an empty one, and for a line that cannot be read its DataError.

    The names of media files are relative to the folder of the file, as those in a table.

    Args:
        file: a file of names, of JSON objects, or of other JSON values.
        encoding: its encoding, or "auto".
        field: the field of the input.
        names: the keys that an object may have for the input, in order of preference.
    """
    path = Path(file)
    encoding = resolved(path, encoding)
    with reading(path), open_lines(path, encoding, "\n") as stream:
        for number, raw in enumerate(stream, 1):
            line = raw.removesuffix("\n").removesuffix("\r")
            try:
                if wrong := wrong_characters(line, encoding):
                    raise DataError(wrong)
                value = parse_json_line(line, '{["')
                values = flatten(value) if isinstance(value, dict) else {names[0]: value}
                yield field.value(Row(number, values, path, number), key_of_input(values, names))
            except UserError as error:
                yield DataError(error.message if isinstance(error, DataError) else str(error), file=path, row=number)
