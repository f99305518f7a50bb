"""The key of encoded data: a digest of all that determines them.

`state_of` describes objects of recurra by their attributes, so that no attribute can be forgotten. An object of other code, of
which the state is unknown, raises `NotCacheableError`: its data are encoded in every run.
"""

from __future__ import annotations

import hashlib
import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import recurra

CODE = ("data", "fields", "tasks")  # folders of recurra that determine encoded data
LIBRARIES = (
    *("numpy", "tokenizers", "pyarrow", "nltk", "jieba", "soundfile", "kaldi-native-fbank", "pillow", "openpyxl"),
)
_PLAIN = (type(None), bool, int, float, str)


class NotCacheableError(Exception):
    """The state of an object is not known; the message names it."""


def key_of(state: Any) -> str:
    """Return the key of a state: JSON of lists, dicts and plain values, with the versions of the code that encodes."""
    text = json.dumps([_environment(), state], sort_keys=True)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def content_of(files: Iterable[Path]) -> list[list[str]]:
    """Return the absolute path and a digest of the content of each file."""
    return [[str(path.resolve()), digest_of(path)] for path in files]


def digest_of(path: Path) -> str:
    """Return a digest of the content of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


def state_of(value: Any) -> Any:
    """Return plain values that describe an object of recurra.

    Raises NotCacheableError for an object, a class or a function of other code.

    >>> state_of({"size": 3, "words": ("a", "b")})
    ['dict', [['size', 3], ['words', ['tuple', ['a', 'b']]]]]
    """
    return _state(value, [])


def _state(value: Any, within: list[int]) -> Any:
    if isinstance(value, _PLAIN) and type(value) in _PLAIN:
        return value
    if id(value) in within:  # an object that refers to one that contains it
        return ["within", within[::-1].index(id(value))]
    within = [*within, id(value)]
    kind = type(value).__name__
    if isinstance(value, list | tuple):
        return [kind, [_state(item, within) for item in value]]
    if isinstance(value, set | frozenset):
        return [kind, sorted(json.dumps(_state(item, within)) for item in value)]
    if isinstance(value, Mapping):
        return [kind, [[_state(name, within), _state(item, within)] for name, item in value.items()]]
    if isinstance(value, bytes):
        return [kind, value.hex()]
    if isinstance(value, Path):
        return [kind, str(value)]
    if isinstance(value, np.ndarray | np.generic) and value.dtype != object:
        array = np.ascontiguousarray(value)
        return [kind, str(array.dtype), list(array.shape), hashlib.blake2b(array.tobytes()).hexdigest()]
    if kind == "Tokenizer" and type(value).__module__.startswith("tokenizers"):
        return [kind, hashlib.blake2b(value.to_str().encode()).hexdigest()]
    name = getattr(value, "__qualname__", None)
    if name is not None:  # a class or a function; what a function refers to belongs to the settings
        module = value.__module__ or ""
    else:
        module, name = type(value).__module__, type(value).__qualname__
    if module.partition(".")[0] not in ("recurra", "builtins"):
        raise NotCacheableError(f"{module}.{name}")
    if hasattr(value, "__qualname__"):
        return [module, name]
    return [module, name, [[attribute, _state(item, within)] for attribute, item in _attributes(value)]]


def _attributes(value: Any) -> list[tuple[str, Any]]:
    slots = [slot for base in type(value).__mro__ for slot in getattr(base, "__slots__", ())]
    named = {slot: getattr(value, slot) for slot in slots if hasattr(value, slot)} | getattr(value, "__dict__", {})
    return sorted(named.items())


@cache
def _environment() -> dict[str, Any]:
    """The versions of all that encodes, and a digest of the code of recurra."""
    root = Path(recurra.__file__).parent
    code = hashlib.blake2b(digest_size=16)
    for folder in CODE:
        for path in sorted((root / folder).rglob("*.py")):
            code.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "recurra": recurra.__version__,
        "code": code.hexdigest(),
        "python": list(sys.version_info[:3]),
        "unicode": unicodedata.unidata_version,
        "byte order": sys.byteorder,
        "libraries": versions,
    }
