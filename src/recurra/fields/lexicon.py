"""What a field of words tells of its vocabulary to what fills vectors from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple


class Lexicon(NamedTuple):
    """The words that a field knows by a vector each: word n of `words` has the number `first` + n."""

    words: Sequence[str]
    first: int
    tokenization: str
    normal: Callable[[str], str]  # a word as the field writes it
