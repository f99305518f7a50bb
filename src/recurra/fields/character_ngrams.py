"""Subword features of a token: the character n-grams of a word, or the character n-grams that contain a character."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

from ..data.words.ngrams import character_ngrams
from ..data.words.pretokenize import HAN

CONTEXT_NGRAMS = 5  # maximum number of n-grams of a character: the bigrams and trigrams that contain it
_HAN = re.compile(f"[{HAN}]")
_DIGIT = re.compile(r"\d")
_FREQUENT = 5  # occurrences of a token that has an embedding of its own
_CLOSED = 0.9  # of the occurrences are of frequent tokens
# Fractions of all tokens. CoNLL-2000 has 2.9 % tokens with digits, 62 % of them frequent; resumes have 10.5 % single digits.
_MANY_DIGITS, _SOME_DIGITS = 0.2, 0.03


def normalize(token: str, *, keep_digits: bool = False) -> str:
    """The form in which a token is counted: NFC, lower case and, unless `keep_digits` is set, digits replaced by 0."""
    token = unicodedata.normalize("NFC", token).lower()
    return token if keep_digits else _DIGIT.sub("0", token)


def digits_matter(counts: Mapping[str, int], tokenization: str) -> bool:
    """Whether the digits of tokens are kept: the tokens that contain digits are few and frequent, such as codes and chords.

    In running text most numbers are rare, and all numbers of the same length are better represented by one word. There, single
    digits and single characters are at most a fifth of the tokens.

    Args:
        counts: the count of each token.
        tokenization: words or characters.
    """
    total = sum(counts.values())
    numbers = {token: count for token, count in counts.items() if _DIGIT.search(token)}
    if sum(numbers.values()) > _MANY_DIGITS * total and _are_closed(numbers):
        return True
    longer = {token: count for token, count in numbers.items() if len(token) > 1}
    return tokenization == "words" and sum(longer.values()) > _SOME_DIGITS * total and _are_closed(longer)


def _are_closed(counts: Mapping[str, int]) -> bool:
    """Whether nearly all occurrences are of tokens that occur five times or more often."""
    frequent = sum(count for count in counts.values() if count >= _FREQUENT)
    return frequent >= _CLOSED * sum(counts.values())


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
