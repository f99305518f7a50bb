"""The field of text: tokens of a vocabulary, and the pieces that words are spelt of."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..data.sources import columns
from ..data.sources.sources import Source
from ..data.words.ngrams import MAX_NGRAMS
from ..data.words.token_stream import TokenStream
from ..data.words.tokenizers import WordTokenizer
from ..data.words.vocabulary import Tokenization, Vocabulary, build
from ..errors import DataError, SettingError
from .base import Field
from .lexicon import Lexicon

SPELT = 1_500_000  # characters of text; with more, words are seen often enough


class Text(Field):
    """Text as tokens. `level` None: characters where most texts are one short word, else words.

    `spelling`: beside each word the pieces it is spelt of; None: where there is too little text to know the words by.
    `cutter` gives what cuts words, where it is not our own patterns: asked when the vocabulary is made.
    """

    sequence = True

    def __init__(
        self,
        name: str,
        column: str | None,
        tokenization: Tokenization | None,
        size: int,
        min_count: int | None,
        character_ngrams: bool | None = False,
        tokenizer: Callable[[], WordTokenizer | None] | None = None,
    ) -> None:
        super().__init__(name, column)
        self.tokenization, self.size, self.min_count, self.character_ngrams = (
            tokenization,
            size,
            min_count,
            character_ngrams,
        )
        self.tokenizer = tokenizer
        self.vocabulary: Vocabulary
        self.taken = False  # the vocabulary is that of a language model

    @property
    def storage(self) -> str:
        return f"ragged:int32:{1 + MAX_NGRAMS}" if self.character_ngrams else "ragged:int32"

    def find(self, source: Source, taken: Sequence[str]) -> str:
        return columns.find_text(source, self.column, exclude=taken)

    def check(self, value: Any) -> str | None:
        return text_problem(value)

    def check_input(self, value: Any) -> str | None:
        return type_problem(value)

    def take(self, vocabulary: Vocabulary) -> None:
        """Use the vocabulary of a language model. SettingError where other settings disagree."""
        theirs = f"the language model's, {len(vocabulary):,} {vocabulary.tokenization}"
        if self.tokenization not in (None, vocabulary.tokenization):
            raise SettingError(
                f"level is {self.tokenization}, and with --pretrained the vocabulary is {theirs}; leave level out"
            )
        if self.min_count is not None:
            raise SettingError(f"with --pretrained the vocabulary is {theirs}; leave min_count out")
        if self._tokenizer() is not None:
            raise SettingError(f"with --pretrained the text is cut as {theirs}; leave tokenizer and stop_words out")
        self.vocabulary, self.tokenization, self.taken = vocabulary, vocabulary.tokenization, True
        self.character_ngrams = self.character_ngrams or False  # the model has read the words it is to know
        self._check_spelling()

    def _tokenizer(self) -> WordTokenizer | None:
        return None if self.tokenizer is None else self.tokenizer()

    def _check_spelling(self) -> None:
        if self.character_ngrams and self.tokenization != "words":
            raise SettingError(
                f"only words have a character_ngrams, and tokenization is {self.tokenization}; leave character_ngrams out"
            )

    def lexicon(self) -> Lexicon:
        return Lexicon(self.vocabulary.tokens[3:], 3, self.vocabulary.tokenization, self.vocabulary.normalize)

    def fit(self, values: Iterable[str]) -> None:
        if self.taken:
            return
        tokenizer = self._tokenizer()
        if tokenizer is not None:
            if self.tokenization not in (None, "words"):
                raise SettingError(
                    f"level is {self.tokenization}, and tokenizer and stop_words are of words; leave them out"
                )
            self.tokenization = "words"
        if self.tokenization is None:
            values = iter(values)
            sample = list(itertools.islice(values, 1000))
            self.tokenization, values = natural_level(sample), itertools.chain(sample, values)
        minimum = self.min_count or (2 if self.tokenization == "words" else 1)
        characters = 0

        def counted() -> Iterator[str]:
            nonlocal characters
            for value in values:
                characters += len(value)
                yield value

        self.vocabulary = build(counted(), self.tokenization, size=self.size, min_count=minimum, tokenizer=tokenizer)
        if self.character_ngrams is None:
            self.character_ngrams = (
                self.tokenization == "words" and characters <= SPELT and _has_letters(self.vocabulary)
            )
        self._check_spelling()
        if len(self.vocabulary) <= 3 and minimum > 1:
            raise DataError(
                f"no word occurs {minimum} times; train on more rows, or with --set tokenization=characters"
            )

    def encode(self, values: Sequence[str]) -> list[np.ndarray]:
        return (
            self.vocabulary.encode_with_ngrams(values)
            if self.character_ngrams
            else self.vocabulary.encode_batch(values)
        )

    def stream(self) -> TokenStream:
        return self.vocabulary.stream(with_ngrams=bool(self.character_ngrams))

    def why_not_streamable(self) -> str | None:
        tokenizer = self.vocabulary.tokenizer
        return None if tokenizer is None else tokenizer.why_not_streamable

    def empty(self) -> np.ndarray:
        return np.zeros((0, 1 + MAX_NGRAMS) if self.character_ngrams else 0, np.int32)

    def save(self, folder: Path) -> None:
        self.vocabulary.save(folder, self.name)

    def load(self, folder: Path) -> None:
        self.vocabulary = Vocabulary.load(folder, self.name)
        self.tokenization = self.vocabulary.tokenization

    def describe(self) -> list[str]:
        spelt = " and the character_ngrams of each" if self.character_ngrams else ""
        cut = self.vocabulary.tokenizer or ""
        return [f"{self.name}: {len(self.vocabulary):,} {self.tokenization}{spelt}{cut}"]


def type_problem(value: Any) -> str | None:
    """What is wrong with a value to predict from, where it is no text; or None. The empty text is one."""
    return None if isinstance(value, str) else f"is {value!r:.40}, not text"


def text_problem(value: Any) -> str | None:
    """What is wrong with a value to train on, where it is no text or an empty one; or None."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return "is empty"
    return type_problem(value)


def _has_letters(vocabulary: Vocabulary) -> bool:
    """Whether its words are made of letters: one of Chinese characters has nothing to spell."""
    words = vocabulary.tokens[3:]
    return sum(map(len, words)) >= 2 * len(words)


def natural_level(sample: Sequence[str]) -> Tokenization:
    """Words, unless most texts are a single short one, as names are."""
    single = sum(len(text.split()) <= 1 and len(text) <= 40 for text in sample)
    return "characters" if single > len(sample) / 2 else "words"
