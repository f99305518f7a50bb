"""The vocabulary of a field of words, as required by code that fills its embeddings with pretrained weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple


class Lexicon(NamedTuple):
    """The words of a field that have an embedding each.

    words         the words, in the form of the field
    first_id      the id of the first word; word n has the id first_id + n
    tokenization  words, characters or subwords
    normalize     converts a word to the form of the field
    """

    words: Sequence[str]
    first_id: int
    tokenization: str
    normalize: Callable[[str], str]
