"""Character n-grams of a word, hashed into a fixed number of ids: subword features for rare and unseen words.

A word is delimited by ^ and $. Its n-grams of 2 to 5 characters and the delimited word itself, as written and in lower case,
are hashed into BUCKETS ids (Bojanowski et al. 2017, arXiv:1607.04606). Unlike fastText, the n-grams preserve case, because
case distinguishes names from other words.
"""

from __future__ import annotations

import unicodedata
import zlib
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

BUCKETS = 20_000
MAX_NGRAMS = 48  # per word; the shortest come first


@lru_cache(maxsize=50_000)
def ngram_ids(word: str) -> NDArray[np.int32]:
    """The ids of the n-grams of a word: int32 of shape (MAX_NGRAMS,), values 1 to BUCKETS, padded with 0."""
    ids = np.zeros(MAX_NGRAMS, np.int32)
    ngrams = character_ngrams(word)[:MAX_NGRAMS]
    hashed = [zlib.crc32(ngram.encode("utf-8", "surrogatepass")) % BUCKETS + 1 for ngram in ngrams]
    ids[: len(hashed)] = hashed
    return ids


def with_ngram_ids(ids: Iterable[int], words: Sequence[str]) -> NDArray[np.int32]:
    """The id of each word, followed by the ids of its n-grams: int32 of shape (T, 1 + MAX_NGRAMS)."""
    rows = np.zeros((len(words), 1 + MAX_NGRAMS), np.int32)
    for row, id_, word in zip(rows, ids, words, strict=True):
        row[0], row[1:] = id_, ngram_ids(word)
    return rows


def character_ngrams(word: str, *, unigrams: bool = False) -> list[str]:
    """The delimited word, then its character n-grams, the shortest first. `unigrams` adds single characters.

    >>> character_ngrams("ab")
    ['^ab$', '^a', 'ab', 'b$', '^ab', 'ab$', '^ab$']
    """
    word = unicodedata.normalize("NFC", word)
    delimited, lower = f"^{word}$", f"^{word.lower()}$"
    ngrams = [delimited, *(word if unigrams else ""), *_ngrams(delimited, 2)]
    if lower != delimited:
        ngrams += [lower, *_ngrams(lower, 3)]
    return ngrams


def _ngrams(text: str, shortest: int) -> list[str]:
    """All n-grams of `shortest` to 5 characters, by length and then by position."""
    return [text[at : at + size] for size in range(shortest, 6) for at in range(len(text) - size + 1)]
