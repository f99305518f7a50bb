"""Parses a line of a file or a pipe that may be JSON."""

from __future__ import annotations

import json
from typing import Any

from recurra.errors import DataError


def parse_json_line(line: str, opens: str = "{") -> Any:
    """Return the JSON value of a line that begins with one of the characters `opens`; else the line itself.

    Raises:
        DataError: the line begins with `{"`, which text rarely does, but is not valid JSON.
    """
    begin = line.lstrip()
    if begin.startswith(tuple(opens)):
        try:
            return json.loads(line)
        except json.JSONDecodeError as error:
            if begin.startswith('{"'):
                problem = f"begins like a JSON object but is not valid JSON ({error.msg}, character {error.pos + 1})"
                raise DataError(f"{problem}; expected an object or plain text") from None
    return line
