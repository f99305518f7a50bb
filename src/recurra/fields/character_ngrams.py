"""Subword features of a token: the character n-grams of a word, or the character n-grams that contain a character."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from ..data.words.ngrams import runs
from ..data.words.pretokenize import HAN

CONTEXT_NGRAMS = 5  # n-grams of a character: those of two and three characters that contain it
_HAN = re.compile(f"[{HAN}]")
_DIGIT = re.compile(r"\d")


def normalize(token: str) -> str:
    """A token as it is counted: composed (NFC), in lower case, every digit a 0."""
    return _DIGIT.sub("0", unicodedata.normalize("NFC", token).lower())


def word_ngrams(word: str) -> list[str]:
    """The character n-grams of a word."""
    return runs(word, singles=bool(_HAN.search(word)))  # a Chinese character means something alone


def context_ngrams(tokens: Sequence[str], begin: int, *, lookahead: bool) -> Iterator[list[str]]:
    """For each character of tokens[begin:] the bigram and the trigram that end with it.

    With `lookahead` also those that begin with it, and the trigram that it is in the middle of. The name of an n-gram
    begins with the offset of its first character.
    """
    marked = ["^", "^", *tokens, "$", "$"]
    offsets = [(-1, 1), (-2, 1), *([(0, 2), (0, 3), (-1, 2)] if lookahead else [])]
    for at in range(begin + 2, len(tokens) + 2):
        yield [f"{first}{''.join(marked[at + first : at + end])}" for first, end in offsets]
