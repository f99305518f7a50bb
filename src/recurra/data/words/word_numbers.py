"""Splits batches of texts into words in the threads of the tokenizers library, as far as the words are known already.

The library returns numbers of known words, and not the words themselves. An encoder of the words so far therefore numbers the
words of each batch, and only texts with a further word are split in Python. The result is that of splitting each text in Python.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np
from tokenizers import Tokenizer, models

from recurra.data.words.pretokenize import word_normalizer, word_pretokenizer

_UNKNOWN = ""  # no word is empty
_GROWTH = 1.2  # of the number of words, after which they are numbered again


class WordSplitter:
    """Splits texts into words, and counts the words of batches of texts."""

    def __init__(self, lowercase: bool) -> None:
        self.normalizer, self.pretokenizer = word_normalizer(lowercase), word_pretokenizer()
        self._known: tuple[list[str], Tokenizer] | None = None

    def split(self, text: str) -> list[str]:
        """Return the words of a text."""
        return [word for word, _ in self.pretokenizer.pre_tokenize_str(self.normalizer.normalize_str(text))]

    def learn(self, words: Iterable[str]) -> None:
        """Number these words, which `count` then counts without splitting texts in Python."""
        known = [_UNKNOWN, *words]
        encoder = Tokenizer(models.WordLevel({word: at for at, word in enumerate(known)}, unk_token=_UNKNOWN))
        encoder.normalizer, encoder.pre_tokenizer = self.normalizer, self.pretokenizer
        self._known = known, encoder

    def should_learn(self, count: int) -> bool:
        """Whether so many of `count` words have no number that numbering them again saves time."""
        return self._known is None or count > _GROWTH * len(self._known[0])

    def count(self, texts: Sequence[str]) -> Counter[str]:
        """Return the number of occurrences of each word of texts. The result does not depend on the words that are known."""
        if self._known is None:
            return Counter(chain.from_iterable(map(self.split, texts)))
        words, encoder = self._known
        numbers = [encoding.ids for encoding in encoder.encode_batch_fast(texts, add_special_tokens=False)]
        with_others = [0 in ids for ids in numbers]
        others = (self.split(text) for text, has_other in zip(texts, with_others, strict=True) if has_other)
        counts = Counter(chain.from_iterable(others))
        known = (ids for ids, has_other in zip(numbers, with_others, strict=True) if not has_other)
        by_number = np.bincount(np.fromiter(chain.from_iterable(known), np.int64), minlength=1)
        for number in np.flatnonzero(by_number).tolist():
            counts[words[number]] += int(by_number[number])
        return counts
