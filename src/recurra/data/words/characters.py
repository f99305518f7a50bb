"""The ids of characters, by a table over all code points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int32]


def character_table(characters: Sequence[str], first: int, unknown: int) -> Ids:
    """The id of each code point (4.5 MB): `first` and so on for `characters`, `unknown` for all others."""
    table = np.full(0x110000, unknown, np.int32)
    for at, character in enumerate(characters, first):
        table[ord(character)] = at
    return table


def encode_characters(table: Ids, text: str) -> Ids:
    """The id of each character of `text`, int32 (T,).

    >>> encode_characters(character_table("ab", 3, 1), "abc").tolist()
    [3, 4, 1]
    """
    return np.asarray(table[np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)])
