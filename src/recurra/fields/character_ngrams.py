"""Subword features of a token: the character n-grams of a word, or the character n-grams that contain a character."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from ..data.words.ngrams import character_ngrams
from ..data.words.pretokenize import HAN

CONTEXT_NGRAMS = 5  # maximum number of n-grams of a character: the bigrams and trigrams that contain it
_HAN = re.compile(f"[{HAN}]")
_DIGIT = re.compile(r"\d")


def normalize(token: str) -> str:
    """The form in which a token is counted: NFC, lower case, digits replaced by 0."""
    return _DIGIT.sub("0", unicodedata.normalize("NFC", token).lower())


def word_ngrams(word: str) -> list[str]:
    """The character n-grams of a word; unigrams are included if it contains Chinese characters, which have a meaning."""
    return character_ngrams(word, unigrams=bool(_HAN.search(word)))


def context_ngrams(tokens: Sequence[str], begin: int, *, lookahead: bool) -> Iterator[list[str]]:
    """For each character of tokens[begin:], the bigram and the trigram that end with it.

    With `lookahead`, also the bigram and the trigram that begin with it, and the trigram whose middle it is. An n-gram is
    named by the offset of its first character, followed by its characters.
    """
    padded = ["^", "^", *tokens, "$", "$"]
    offsets = [(-1, 1), (-2, 1), *([(0, 2), (0, 3), (-1, 2)] if lookahead else [])]
    for at in range(begin + 2, len(tokens) + 2):
        yield [f"{first}{''.join(padded[at + first : at + end])}" for first, end in offsets]
