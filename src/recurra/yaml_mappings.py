"""Mappings in YAML that are not what was meant: `{dt:0.5}`, without a space after the colon, has one key and no value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .errors import SettingError

_NO_SPACE = re.compile(r"([^\s:=]+)[:=](\S.*)")


def check_spaces(value: Any, where: str, example: str) -> None:
    """Raise SettingError when `value`, read from YAML, holds a mapping with an entry such as `dt:0.5` or `dt=0.5`.

    where    what the value was read from, for the message
    example  how to write it, with {} in the place of the mapping
    """
    if isinstance(value, list):
        for item in value:
            check_spaces(item, where, "{}")
    if not isinstance(value, Mapping):
        return
    spelled = {str(key): _NO_SPACE.fullmatch(str(key)) if item is None else None for key, item in value.items()}
    if wrong := [key for key, match in spelled.items() if match]:
        entries = (_entry(match, key, item) for (key, match), item in zip(spelled.items(), value.values(), strict=True))
        spelling = example.replace("{}", f"{{{', '.join(entries)}}}")
        raise SettingError(f"{where}: {wrong[0]!r} is not name and value; expected a colon and a space: {spelling}")
    for key, item in value.items():
        check_spaces(item, f"{where}: {key}", "{}")


def _entry(match: re.Match[str] | None, key: str, item: Any) -> str:
    if match:
        return f"{match[1]}: {match[2]}"
    text = "null" if item is None else str(item).lower() if isinstance(item, bool) else str(item)
    return f"{key}: {text}"


def mapping_problem(name: str, kind: str, value: Any) -> str | None:
    """Return what to say when pydantic reports an error of `kind` because a setting is a mapping and `value` is none."""
    if kind not in ("dict_type", "mapping_type"):
        return None
    match = _NO_SPACE.fullmatch(value) if isinstance(value, str) else None
    entry = f"{match[1]}: {match[2]}" if match else "name: value"
    short = name.rpartition(".")[2]
    return f"setting {name} = {value!r}: expected a mapping, as in --set '{short}={{{entry}}}'"
