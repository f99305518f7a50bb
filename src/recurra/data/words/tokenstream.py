"""Tokenising text that arrives in pieces: push(a) + push(b) + flush() equals the ids of a + b."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Encode = Callable[[str], NDArray[np.int32]]


class TokenStream(Protocol):
    """`push` returns the ids that no later text can change, `flush` those of what is left, and starts anew."""

    def push(self, text: str) -> list[int]: ...

    def flush(self) -> list[int]: ...


class CharacterStream:
    """Every character is certain at once."""

    def __init__(self, encode: Encode) -> None:
        self._encode = encode

    def push(self, text: str) -> list[int]:
        return _listed(self._encode(text))

    def flush(self) -> list[int]:
        return []


class PieceStream:
    """Holds text back up to the last place where it may be parted.

    `cut(text, start)` finds that place, or 0; it need not look before `start`, where there is none.
    """

    def __init__(self, encode: Encode, cut: Callable[[str, int], int]) -> None:
        self._encode, self._cut = encode, cut
        self._waiting = ""

    def push(self, text: str) -> list[int]:
        looked = len(self._waiting)
        self._waiting += text
        at = self._cut(self._waiting, looked)
        ready, self._waiting = self._waiting[:at], self._waiting[at:]
        return _listed(self._encode(ready)) if ready else []

    def flush(self) -> list[int]:
        ready, self._waiting = self._waiting, ""
        return _listed(self._encode(ready)) if ready else []


def _listed(ids: NDArray[np.int32]) -> list[int]:
    listed: list[int] = ids.tolist()  # of spelt words, a list for each
    return listed
