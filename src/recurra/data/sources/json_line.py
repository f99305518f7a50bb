"""A line of a file or a pipe that may be JSON."""

from __future__ import annotations

import json
from typing import Any

from recurra.errors import DataError


def parse_json_line(line: str, opens: str = "{") -> Any:
    """The JSON value of a line that begins with one of the characters `opens`; else the line itself.

    Raises DataError where the line begins like an object with names, as text hardly does, and is not one.
    """
    begin = line.lstrip()
    if begin.startswith(tuple(opens)):
        try:
            return json.loads(line)
        except json.JSONDecodeError as error:
            if begin.startswith('{"'):
                what = f"begins as a JSON object and is none ({error.msg}, character {error.pos + 1})"
                raise DataError(f"{what}; wanted an object, or plain text") from None
    return line
