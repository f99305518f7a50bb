"""What a token is known by: its word, the runs of letters in it, or the characters that it stands between."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from ..data.words.ngrams import runs
from ..data.words.pretokenize import HAN

NEIGHBOURS = 5  # runs of two and three characters that one stands in
_HAN = re.compile(f"[{HAN}]")
_DIGIT = re.compile(r"\d")


def normal(token: str) -> str:
    """A token as words are counted: composed, lower case, every digit a 0."""
    return _DIGIT.sub("0", unicodedata.normalize("NFC", token).lower())


def pieces_of(word: str) -> list[str]:
    """The runs of letters in a word."""
    return runs(word, singles=bool(_HAN.search(word)))  # a Chinese character means something alone


def neighbours(tokens: Sequence[str], begin: int, *, ahead: bool) -> Iterator[list[str]]:
    """For each of tokens[begin:] the runs of two and three that end with it; with `ahead` also those that it begins
    and is in the middle of. Where it stands in a run is part of the run's name."""
    marked = ["^", "^", *tokens, "$", "$"]
    places = [(-1, 1), (-2, 1), *([(0, 2), (0, 3), (-1, 2)] if ahead else [])]
    for at in range(begin + 2, len(tokens) + 2):
        yield [f"{first}{''.join(marked[at + first : at + end])}" for first, end in places]
