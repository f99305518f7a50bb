"""Spelling: a word as the set of its runs of letters, so that words never seen still say something.

A word is put between ^ and $; its runs of 2 to 5 letters, and itself, as written and in lower case, are hashed into
BUCKETS numbers. Bojanowski et al. 2017, arXiv:1607.04606; ours keep the case, for it tells names from words.
"""

from __future__ import annotations

import unicodedata
import zlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

BUCKETS = 20_000
PIECES = 48  # of a word at most; the shortest come first


@lru_cache(maxsize=50_000)
def pieces(word: str) -> NDArray[np.int32]:
    """The numbers of a word's pieces, 1 to BUCKETS, (PIECES,) padded with 0."""
    numbers = np.zeros(PIECES, np.int32)
    hashed = [zlib.crc32(piece.encode("utf-8", "surrogatepass")) % BUCKETS + 1 for piece in runs(word)[:PIECES]]
    numbers[: len(hashed)] = hashed
    return numbers


def runs(word: str, *, singles: bool = False) -> list[str]:
    """A word's pieces, the word itself and then the shortest first. `singles`: runs of one letter too."""
    word = unicodedata.normalize("NFC", word)
    marked, lower = f"^{word}$", f"^{word.lower()}$"
    found = [marked, *(word if singles else ""), *_runs(marked, 2)]
    if lower != marked:
        found += [lower, *_runs(lower, 3)]
    return found


def _runs(text: str, shortest: int) -> list[str]:
    return [text[at : at + size] for size in range(shortest, 6) for at in range(len(text) - size + 1)]
