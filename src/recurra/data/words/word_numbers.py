"""Splits texts into words in the threads of the tokenizers library, counts the words, and keeps them as numbers.

The library returns the numbers of known words, and not the words themselves. An encoder of the words so far therefore numbers
the words of each batch of texts, and only texts with a further word are split in Python. The result is that of splitting each
text in Python. With the kept numbers, a text is split once: when the vocabulary is known, a table gives the id of each number.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models

from recurra.data.store.split import digest
from recurra.data.store.store import Store, StoreWriter
from recurra.data.words.pretokenize import word_normalizer, word_pretokenizer

_UNKNOWN = ""  # no word is empty; its number is 0
_GROWTH = 1.2  # of the number of words, after which they are numbered again
_FIELD = "words"


class WordSplitter:
    """Splits texts into words, each of which has a number.

    Memory is bounded by the words that `forget` leaves, and 8 bytes for each number.
    """

    def __init__(self, lowercase: bool) -> None:
        self.normalizer, self.pretokenizer = word_normalizer(lowercase), word_pretokenizer()
        self.words: dict[int, str] = {}
        self.hashes = array("Q", [0])  # of the word of each number, also of those that were forgotten
        self._numbers: dict[str, int] = {}
        self._encoder: Tokenizer | None = None
        self._learned = 0  # words that the encoder knows

    def split(self, text: str) -> list[str]:
        """Return the words of a text."""
        return [word for word, _ in self.pretokenizer.pre_tokenize_str(self.normalizer.normalize_str(text))]

    def try_number(self, texts: Sequence[str]) -> list[list[int]] | None:
        """Return the numbers of the words of each text, 0 for an unknown word. It may run in another thread than the rest."""
        encoder = self._encoder
        if encoder is None:
            return None
        return [encoding.ids for encoding in encoder.encode_batch_fast(texts, add_special_tokens=False)]

    def number(self, texts: Sequence[str], tried: list[list[int]] | None) -> list[list[int]]:
        """Return the numbers of the words of each text; `tried` is the result of `try_number`. New words get a number."""
        if tried is None:
            return [self._number(text) for text in texts]
        numbered = [self._number(text) if 0 in ids else ids for text, ids in zip(texts, tried, strict=True)]
        if self.words.keys() >= set(chain.from_iterable(numbered)):
            return numbered
        return [self._number(text) for text in texts]  # the encoder knew words that were forgotten in the meantime

    def _number(self, text: str) -> list[int]:
        numbers = self._numbers
        for word in (words := self.split(text)):
            if word not in numbers:
                numbers[word] = number = len(self.hashes)
                self.words[number] = word
                self.hashes.append(digest(word))
        return [numbers[word] for word in words]

    def learn(self) -> None:
        """Number further texts with the words so far, if there are many new ones."""
        if self._encoder is not None and len(self._numbers) <= _GROWTH * self._learned:
            return
        encoder = Tokenizer(models.WordLevel({_UNKNOWN: 0, **self._numbers}, unk_token=_UNKNOWN))
        encoder.normalizer, encoder.pre_tokenizer = self.normalizer, self.pretokenizer
        self._encoder, self._learned = encoder, len(self._numbers)

    def forget(self, known: Mapping[str, int]) -> None:
        """Forget the words that are not among `known`. Such a word gets another number when it occurs again."""
        self._numbers = {word: number for word, number in self._numbers.items() if word in known}
        self.words = {number: word for word, number in self._numbers.items()}
        self._encoder = None


class WordNumbers:
    """The numbers of the words of texts in a file, from which their ids are read when a vocabulary has been built.

    Args:
        folder: the folder of the file.
    """

    def __init__(self, folder: Path) -> None:
        self._writer = StoreWriter(folder / _FIELD, {_FIELD: "ragged:int32"})
        self._store: Store | None = None
        self._ids: NDArray[np.int32] = np.zeros(0, np.int32)

    def add(self, numbers: Sequence[Sequence[int]]) -> None:
        """Add the numbers of the words of texts."""
        self._writer.extend(**{_FIELD: numbers})

    def complete(self, hashes: Sequence[int], words: Sequence[str], first: int, unknown: int) -> None:
        """Set the id of each number: `first` and the position of its word in `words`, or `unknown`."""
        ids = {digest(word): at for at, word in enumerate(words, first)}
        self._ids = np.fromiter((ids.get(one, unknown) for one in hashes), np.int32, len(hashes))
        self._store = self._writer.close()

    def encode(self, begin: int, end: int) -> list[NDArray[np.int32]]:
        """Return the ids of texts[begin:end]."""
        assert self._store is not None
        flat, ends = self._store.span(_FIELD, begin, end)
        ids = self._ids[flat]
        begins = [0, *ends[:-1]]
        return [ids[a:b] for a, b in zip(begins, ends, strict=True)]
