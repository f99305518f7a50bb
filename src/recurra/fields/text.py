"""The field of text: tokens of a vocabulary, with character n-grams of words."""

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
from ..data.words.word_numbers import WordNumbers
from ..errors import DataError, SettingError
from .base import Field
from .lexicon import Lexicon

MAX_NGRAM_CHARACTERS = 1_500_000  # of training text; with more text, words are frequent enough without n-grams


class Text(Field):
    """Text as a sequence of token IDs.

    Args:
        name: the name of the field.
        column: the column that the user named, or None to detect it.
        tokenization: words, characters or subwords. None: characters where most texts are a single short word, else words.
        size: maximum size of the vocabulary.
        min_count: minimum count of a token in the training data; None: 2 for words, else 1.
        character_ngrams: add the character n-grams of each word. None: add them where the training text is short.
        tokenizer: returns a word tokenizer, or None for the built-in one. It is called when the vocabulary is built.
    """

    sequence = True
    fitted = ("tokenization", "character_ngrams")

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
        self.is_shared_vocabulary = False  # True: the vocabulary is that of a language model
        self._folder: Path | None = None  # where `fit` keeps the words of the texts
        self._numbers: WordNumbers | None = None

    @property
    def storage(self) -> str:
        """Token IDs, with the IDs of the character n-grams of each word if there are any."""
        return f"ragged:int32:{1 + MAX_NGRAMS}" if self.character_ngrams else "ragged:int32"

    def find(self, source: Source, taken: Sequence[str]) -> str:
        """Return the named column, one with a common name of texts, or the one with the longest texts."""
        return columns.find_text(source, self.column, exclude=taken)

    def check(self, value: Any) -> str | None:
        """A text must not be empty in training."""
        return text_problem(value)

    def check_input(self, value: Any) -> str | None:
        """An empty text can be used at inference."""
        return type_problem(value)

    def use_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Use the vocabulary of a language model. Raises SettingError where other settings disagree with it."""
        size = f"that of the language model, {len(vocabulary):,} {vocabulary.tokenization}"
        if self.tokenization not in (None, vocabulary.tokenization):
            raise SettingError(
                f"tokenization is {self.tokenization}, but with --pretrained the vocabulary is {size}; remove tokenization"
            )
        if self.min_count is not None:
            raise SettingError(f"with --pretrained the vocabulary is {size}; remove min_count")
        if self._tokenizer() is not None:
            raise SettingError(
                f"with --pretrained the vocabulary is {size}, with its tokenizer; remove tokenizer and stop_words"
            )
        self.vocabulary, self.tokenization, self.is_shared_vocabulary = vocabulary, vocabulary.tokenization, True
        self.character_ngrams = self.character_ngrams or False  # the language model knows the words of its vocabulary
        self._check_ngrams()

    def _tokenizer(self) -> WordTokenizer | None:
        return None if self.tokenizer is None else self.tokenizer()

    def _check_ngrams(self) -> None:
        if self.character_ngrams and self.tokenization != "words":
            raise SettingError(
                f"character_ngrams requires tokenization=words, but tokenization is {self.tokenization}; "
                "remove character_ngrams"
            )

    def lexicon(self) -> Lexicon:
        """Return the words of the embedding table, for pretrained embeddings."""
        return Lexicon(self.vocabulary.tokens[3:], 3, self.vocabulary.tokenization, self.vocabulary.normalize)

    def fit(self, values: Iterable[str]) -> None:
        """Choose the tokenization and build the vocabulary."""
        if self.is_shared_vocabulary:
            return
        tokenizer = self._tokenizer()
        if tokenizer is not None:
            if self.tokenization not in (None, "words"):
                raise SettingError(
                    f"tokenizer and stop_words require tokenization=words, but tokenization is {self.tokenization}; remove both"
                )
            self.tokenization = "words"
        if self.tokenization is None:
            values = iter(values)
            sample = list(itertools.islice(values, 1000))
            self.tokenization, values = infer_tokenization(sample), itertools.chain(sample, values)
        minimum = self.min_count or (2 if self.tokenization == "words" else 1)
        characters = 0

        def counted() -> Iterator[str]:
            nonlocal characters
            for value in values:
                characters += len(value)
                yield value

        if (
            self._folder is not None
            and self.tokenization == "words"
            and tokenizer is None
            and not self.character_ngrams
        ):
            self._numbers = WordNumbers(self._folder)
        self.vocabulary = build(
            counted(),
            self.tokenization,
            size=self.size,
            min_count=minimum,
            tokenizer=tokenizer,
            numbers=self._numbers,
        )
        if self.character_ngrams is None:
            self.character_ngrams = (
                self.tokenization == "words" and characters <= MAX_NGRAM_CHARACTERS and _has_letters(self.vocabulary)
            )
        self._check_ngrams()
        if len(self.vocabulary) <= 3 and minimum > 1:
            raise DataError(f"no word occurs {minimum} times; train on more rows or use --set tokenization=characters")

    def keep(self, folder: Path | None) -> None:
        """Keep the words of the texts that `fit` reads, so that they are split once."""
        self._folder, self._numbers = folder, None

    def encode_fitted(self, begin: int, end: int) -> list[np.ndarray] | None:
        """Return the token IDs of some of the texts that `fit` has read, if they are words without n-grams."""
        if self._numbers is None or self.character_ngrams:
            return None
        return list(self._numbers.encode(begin, end))

    def encode(self, values: Sequence[str]) -> list[np.ndarray]:
        """Return the token IDs of each text, (T,), or with character n-grams (T, 1 + P)."""
        return (
            self.vocabulary.encode_with_ngrams(values)
            if self.character_ngrams
            else self.vocabulary.encode_batch(values)
        )

    def stream(self) -> TokenStream:
        """Return an encoder of chunks of text."""
        return self.vocabulary.stream(with_ngrams=bool(self.character_ngrams))

    def why_not_streamable(self) -> str | None:
        """Return why the tokenizer needs the whole text, or None if it does not."""
        tokenizer = self.vocabulary.tokenizer
        return None if tokenizer is None else tokenizer.why_not_streamable

    def empty(self) -> np.ndarray:
        """Return a sequence without tokens."""
        return np.zeros((0, 1 + MAX_NGRAMS) if self.character_ngrams else 0, np.int32)

    def save(self, folder: Path) -> None:
        """Write the vocabulary."""
        self.vocabulary.save(folder, self.name)

    def load(self, folder: Path) -> None:
        """Read the vocabulary."""
        self.vocabulary = Vocabulary.load(folder, self.name)
        self.tokenization = self.vocabulary.tokenization

    def describe(self) -> list[str]:
        """Describe the vocabulary."""
        ngrams = " with character n-grams" if self.character_ngrams else ""
        tokenizer = self.vocabulary.tokenizer or ""
        return [f"{self.name}: {len(self.vocabulary):,} {self.tokenization}{ngrams}{tokenizer}"]


def type_problem(value: Any) -> str | None:
    """Return what is wrong with a value that is not text, or None. An empty text is valid."""
    return None if isinstance(value, str) else f"is {value!r:.40}, not text"


def text_problem(value: Any) -> str | None:
    """Return the problem if a value is not text or is empty, otherwise None."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return "is empty"
    return type_problem(value)


def _has_letters(vocabulary: Vocabulary) -> bool:
    """Whether words have several letters on average: words of a single Chinese character have no n-grams."""
    words = vocabulary.tokens[3:]
    return sum(map(len, words)) >= 2 * len(words)


def infer_tokenization(sample: Sequence[str]) -> Tokenization:
    """Return words, or characters where most texts are a single short word, such as a name."""
    single = sum(len(text.split()) <= 1 and len(text) <= 40 for text in sample)
    return "characters" if single > len(sample) / 2 else "words"
