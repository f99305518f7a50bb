"""Cutting a text once per distinct chunk instead of once per occurrence.

A text is parted where tokens cannot reach across (see words.py); what a chunk becomes is remembered. Words of a
language repeat, so nearly all chunks are known, and the slow exact tokeniser sees only the new ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Generic, TypeVar

T = TypeVar("T")

_MOST = 60_000  # chunks remembered, some 15 MB
_LONGEST = 48  # characters; longer chunks hardly repeat


class Chunks(Generic[T]):
    """`tokenise(chunks)` gives the tokens of each chunk; `split` and `known` do so for whole texts, remembering."""

    def __init__(self, pattern: re.Pattern[str], tokenise: Callable[[list[str]], list[list[T]]]) -> None:
        self._find, self._tokenise = pattern.findall, tokenise
        self._known: dict[str, list[T]] = {}

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """The chunks of each text."""
        return [self._find(text) for text in texts]

    def known(self, parts: list[list[str]]) -> dict[str, list[T]]:
        """The tokens of every chunk in `parts`; of others too."""
        if len(self._known) > _MOST:
            self._known = {}
        new = list(dict.fromkeys(chunk for chunk in chain.from_iterable(parts) if chunk not in self._known))
        found = dict(zip(new, self._tokenise(new), strict=True)) if new else {}
        self._known.update((chunk, tokens) for chunk, tokens in found.items() if len(chunk) <= _LONGEST)
        if len(found) > 0 and any(len(chunk) > _LONGEST for chunk in found):
            return self._known | found
        return self._known
