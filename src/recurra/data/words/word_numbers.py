"""Splits texts into words, counts the words, and keeps them as numbers, so that each text is split once.

Texts are split in batches by two workers at the same time: by the threads of the tokenizers library, and by Python's own
patterns (`split_ascii`) while these are busy. The library returns the numbers of known words and not the words themselves: an
encoder of the words so far numbers the words of a batch, and texts with a further word are split again. The result does not
depend on which worker splits a text. When the vocabulary is known, a table gives the id of each number.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models

from recurra.data.ahead import available_cores
from recurra.data.store.split import digest
from recurra.data.store.store import Flat, Store, StoreWriter
from recurra.data.words.pretokenize import split_ascii, word_normalizer, word_pretokenizer

_UNKNOWN = ""  # no word is empty; its number is 0
_GROWTH = 1.2  # of the number of words, after which they are numbered again
_WAITING = 4  # batches that are split before their words are counted
_FIELD = "words"

Numbered = tuple[Sequence[str], list[list[int]]]  # texts, and the numbers of the words of each


class WordSplitter:
    """Splits texts into words, each of which has a number.

    Memory is bounded by the words that `forget` leaves, and 8 bytes for each number.
    """

    def __init__(self, lowercase: bool) -> None:
        self.normalizer, self.pretokenizer, self.lowercase = word_normalizer(lowercase), word_pretokenizer(), lowercase
        self.words: dict[int, str] = {}
        self.hashes = array("Q", [0])  # of the word of each number, also of those that were forgotten
        self._numbers: dict[str, int] = {}
        self._encoder: Tokenizer | None = None
        self._learned = 0  # words that the encoder knows
        self._has_forgotten = False

    def split(self, text: str) -> list[str]:
        """Return the words of a text."""
        if text.isascii():
            return split_ascii(text, self.lowercase)
        return [word for word, _ in self.pretokenizer.pre_tokenize_str(self.normalizer.normalize_str(text))]

    def number(self, batches: Iterable[Sequence[str]]) -> Iterator[Numbered]:
        """Yield each batch of texts with the numbers of their words, in order."""
        waiting = deque[tuple[Sequence[str], Future[list[list[int]]] | list[list[int]]]]()
        pool = ThreadPoolExecutor(1, "recurra-words") if available_cores() > 1 else None
        try:
            for texts in batches:
                busy = any(isinstance(work, Future) and not work.done() for _, work in waiting)
                if pool is None or busy or self._encoder is None:
                    waiting.append((texts, [self._number(text) for text in texts]))
                else:
                    waiting.append((texts, pool.submit(_encode, self._encoder, texts)))
                while waiting and (_is_done(waiting[0][1]) or len(waiting) > _WAITING):
                    yield self._complete(*waiting.popleft())
            while waiting:
                yield self._complete(*waiting.popleft())
        finally:
            if pool is not None:
                pool.shutdown(cancel_futures=True)

    def _complete(self, texts: Sequence[str], work: Future[list[list[int]]] | list[list[int]]) -> Numbered:
        """The numbers of all words; those that the encoder did not know, and that were forgotten in the meantime, are new."""
        numbers = work.result() if isinstance(work, Future) else work
        numbers = [self._number(text) if 0 in ids else ids for text, ids in zip(texts, numbers, strict=True)]
        if self._has_forgotten and not self.words.keys() >= set(chain.from_iterable(numbers)):
            numbers = [self._number(text) for text in texts]
        return texts, numbers

    def _number(self, text: str) -> list[int]:
        words, numbers = self.split(text), self._numbers
        try:
            return list(map(numbers.__getitem__, words))
        except KeyError:
            for word in words:
                if word not in numbers:
                    numbers[word] = number = len(self.hashes)
                    self.words[number] = word
                    self.hashes.append(digest(word))
            return list(map(numbers.__getitem__, words))

    def learn(self) -> None:
        """Number further texts with the words so far, if there are many new ones."""
        if available_cores() == 1 or (self._encoder is not None and len(self._numbers) <= _GROWTH * self._learned):
            return
        encoder = Tokenizer(models.WordLevel({_UNKNOWN: 0, **self._numbers}, unk_token=_UNKNOWN))
        encoder.normalizer, encoder.pre_tokenizer = self.normalizer, self.pretokenizer
        self._encoder, self._learned = encoder, len(self._numbers)

    def forget(self, known: Mapping[str, int]) -> None:
        """Forget the words that are not among `known`. Such a word gets another number when it occurs again."""
        self._numbers = {word: number for word, number in self._numbers.items() if word in known}
        self.words = {number: word for word, number in self._numbers.items()}
        self._encoder, self._has_forgotten = None, True


def _encode(encoder: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    return [encoding.ids for encoding in encoder.encode_batch_fast(texts, add_special_tokens=False)]


def _is_done(work: Future[list[list[int]]] | list[list[int]]) -> bool:
    return not isinstance(work, Future) or work.done()


class WordNumbers:
    """The numbers of the words of texts in a file, from which their ids are read when a vocabulary has been built.

    Args:
        folder: the folder of the file.
    """

    def __init__(self, folder: Path) -> None:
        self._writer = StoreWriter(folder / _FIELD, {_FIELD: "ragged:int32"})
        self._store: Store | None = None
        self._ids: NDArray[np.int32] = np.zeros(0, np.int32)

    def add(self, numbers: Flat) -> None:
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
        return [ids[a:b] for a, b in zip([0, *ends], ends, strict=False)]
