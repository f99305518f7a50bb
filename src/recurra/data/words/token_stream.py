"""Tokenization of text that arrives in chunks: push(a) + push(b) + flush() equals the ids of a + b."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Encode = Callable[[str], NDArray[np.int32]]


class TokenStream(Protocol):
    """An incremental tokenizer."""

    def push(self, text: str) -> list[int]:
        """The ids that no later text can change."""

    def flush(self) -> list[int]:
        """The ids of the remaining text; the stream then starts anew."""


class CharacterTokenStream:
    """A stream of characters, each of which is final at once."""

    def __init__(self, encode: Encode) -> None:
        self._encode = encode

    def push(self, text: str) -> list[int]:
        """The ids of `text`."""
        return _to_list(self._encode(text))

    def flush(self) -> list[int]:
        """Nothing: no text is buffered."""
        return []


class BufferedTokenStream:
    """A stream of words or subwords, which buffers the text after the last token boundary.

    Args:
        encode: Encodes complete text.
        last_boundary: `last_boundary(text, start)` returns the last position at or after `start` where `text` can be split,
            or 0. There is no boundary before `start`.
    """

    def __init__(self, encode: Encode, last_boundary: Callable[[str, int], int]) -> None:
        self._encode, self._last_boundary = encode, last_boundary
        self._buffer = ""

    def push(self, text: str) -> list[int]:
        """The ids of the text up to the last boundary."""
        searched = len(self._buffer)
        self._buffer += text
        at = self._last_boundary(self._buffer, searched)
        complete, self._buffer = self._buffer[:at], self._buffer[at:]
        return _to_list(self._encode(complete)) if complete else []

    def flush(self) -> list[int]:
        """The ids of the buffered text."""
        complete, self._buffer = self._buffer, ""
        return _to_list(self._encode(complete)) if complete else []


def split_at_boundaries(chunks: Iterable[str], last_boundary: Callable[[str, int], int]) -> Iterator[str]:
    """Yield the text of `chunks` in pieces that end at a token boundary, so that no token is cut.

    last_boundary   as of `BufferedTokenStream`

    >>> list(split_at_boundaries(["one tw", "o", " three"], lambda text, start: text.rfind(" ", start) + 1))
    ['one ', 'two ', 'three']
    """
    buffer = ""
    for chunk in chunks:
        searched = len(buffer)
        buffer += chunk
        at = last_boundary(buffer, searched)
        complete, buffer = buffer[:at], buffer[at:]
        if complete:
            yield complete
    if buffer:
        yield buffer


def _to_list(ids: NDArray[np.int32]) -> list[int]:
    listed: list[int] = ids.tolist()  # with n-grams, a list for each word
    return listed
