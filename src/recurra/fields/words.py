"""The field of the tokens: words or characters, with character n-grams as subword features."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, final

import numpy as np

from ..data.words.count import LossyCounter
from ..data.words.ngrams import BUCKETS, MAX_NGRAMS
from ..data.words.vocabulary import Vocabulary
from ..errors import SettingError
from ..files import read_json, write_json
from .character_ngrams import CONTEXT_NGRAMS, context_ngrams, digits_matter, normalize, word_ngrams
from .lexicon import Lexicon
from .token_lists import UNKNOWN, TokenField, token_texts

WORD_NAMES = (
    *("tokens", "words", "form", "token", "word", "text", "sentence", "characters", "chars", "character", "char"),
    *("surface", "词", "字", "句子", "文本"),
)
TokenUnit = Literal["words", "characters"]  # the tokenizations of a tagger
MAX_CACHED_WORDS = 50_000  # words whose n-gram ids are cached


@final
class Words(TokenField):
    """The tokens, each encoded as the id of the token and, optionally, the ids of its character n-grams.

    For words, the n-grams are those that also occur in other words (recurra.data.words.ngrams). For characters, they are the
    bigrams and trigrams that contain the character and occur more than once.

    Args:
        name: The name of the field.
        column: The column that the user chose, or None.
        tokenization: words or characters, which also determines how raw text is tokenized. None: characters if more than 95 %
            of the tokens are single characters.
        size: The maximum number of tokens in the vocabulary.
        min_count: Rarer tokens are unknown. None: 2.
        character_ngrams: Whether n-grams are encoded. None: yes.
        lookahead: Whether the n-grams of a character may contain later characters, which a stream does not have yet.
        keep_digits: Whether tokens that differ in digits are different words. None: if such tokens are few and frequent.
    """

    option = "words"
    names = WORD_NAMES
    fitted = ("tokenization", "character_ngrams", "keep_digits")

    def __init__(
        self,
        name: str,
        column: str | None,
        *,
        tokenization: TokenUnit | None,
        size: int,
        min_count: int | None,
        character_ngrams: bool | None,
        lookahead: bool,
        keep_digits: bool | None = None,
    ) -> None:
        super().__init__(name, column)
        self.tokenization: TokenUnit = tokenization or "words"
        self.tokenization_is_open = tokenization is None
        self.size, self.min_count, self.lookahead = size, min_count, lookahead
        self.character_ngrams = True if character_ngrams is None else character_ngrams
        self.keep_digits, self.keep_digits_is_open = bool(keep_digits), keep_digits is None
        self.split_at_blanks = False  # whether the training data are texts, whose tokens are separated by blanks
        self.notes: list[str] = []
        self.pretrained_vocabulary: Vocabulary | None = None  # of a language model
        self._set([], [])

    def _set(self, words: Sequence[str], ngrams: Sequence[str]) -> None:
        self.words, self.ngrams = list(words), list(ngrams)
        self.ids = {word: at for at, word in enumerate(self.words, UNKNOWN + 1)}
        self.ngram_ids = {ngram: at for at, ngram in enumerate(self.ngrams, 1)}
        self._cache: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        """The number of ids, including those of padding and unknown words."""
        return len(self.words) + UNKNOWN + 1

    @property
    def text_tokenization(self) -> str:
        """How a text is split into tokens: as the texts of the training data, or else as `tokenization`."""
        return "blanks" if self.split_at_blanks and self.tokenization == "words" else self.tokenization

    @property
    def width(self) -> int:
        """The maximum number of n-grams of a token."""
        return 0 if not self.character_ngrams else MAX_NGRAMS if self.tokenization == "words" else CONTEXT_NGRAMS

    @property
    def storage(self) -> str:
        """The type in the store."""
        return f"ragged:int32:{1 + self.width}" if self.character_ngrams else "ragged:int32"

    # fitting -------------------------------------------------------------------------------------------------------
    def fit(self, values: Iterable[Any]) -> None:
        """Choose the tokenization, and build the vocabularies of words and n-grams."""
        tokens, contexts = self._count(values)
        self.notes = [*self._choose_digits(tokens.counts), *tokens.notes()]
        if self.text_tokenization == "blanks":
            self.notes.append("texts are split into tokens at blanks, as in these data; predict does the same")
        words = Counter[str]()
        for token, count in tokens.counts.items():
            words[self.normalize(token)] += count
        counter = LossyCounter()
        counter.counts = words
        frequent = counter.most_frequent(self.size, self.min_count or 2)
        self._set(self._extended(frequent), self._ngram_counts(tokens, contexts).most_frequent(BUCKETS, 2))

    def normalize(self, token: str) -> str:
        """The form in which a token is in the vocabulary."""
        return normalize(token, keep_digits=self.keep_digits)

    def _choose_digits(self, counts: Mapping[str, int]) -> list[str]:
        """Choose whether digits are kept. Returns a line about it, if tokens contain digits."""
        if self.keep_digits_is_open:
            self.keep_digits = digits_matter(counts, self.tokenization)
        with_digits = [token for token in counts if any(character.isdecimal() for character in token)]
        if not with_digits:
            return []
        if self.keep_digits:
            return [f"digits: {len(with_digits):,} different tokens contain digits; they are different words"]
        example = max(with_digits, key=lambda token: counts[token])
        return [
            f"digits: replaced by 0 in the vocabulary ({example} to {normalize(example)}); --keep-digits keeps them"
        ]

    def _count(self, values: Iterable[Any]) -> tuple[LossyCounter, LossyCounter]:
        """Count tokens and, while tokens may be characters, their n-grams; then choose the tokenization."""
        tokens, contexts = LossyCounter(), LossyCounter()
        total = single = 0
        self.split_at_blanks = False
        maybe_characters = self.tokenization_is_open or self.tokenization == "characters"
        for value in values:
            sequence = token_texts(value)
            self.split_at_blanks |= isinstance(value, str)
            tokens.add(sequence)
            total += len(sequence)
            single += sum(len(token) == 1 for token in sequence)
            if self.character_ngrams and maybe_characters and single > 0.5 * total:
                for ngrams in context_ngrams(sequence, 0, lookahead=self.lookahead):
                    contexts.add(ngrams)
        if self.tokenization_is_open:
            self.tokenization = "characters" if single > 0.95 * total else "words"
        return tokens, contexts

    def _ngram_counts(self, tokens: LossyCounter, contexts: LossyCounter) -> LossyCounter:
        if self.tokenization == "characters":
            return contexts
        counter = LossyCounter()
        for token in tokens.counts if self.character_ngrams else ():
            counter.add(word_ngrams(token))
        return counter

    def _extended(self, words: list[str]) -> list[str]:
        """These words and those of the language model."""
        if self.pretrained_vocabulary is None:
            return words
        if self.pretrained_vocabulary.tokenization != self.tokenization:
            raise SettingError(
                f"the tokens are {self.tokenization}, but those of the language model are "
                f"{self.pretrained_vocabulary.tokenization}; train a language model with "
                f"--tokenization {self.tokenization}"
            )
        return list(dict.fromkeys([*words, *map(self.normalize, self.pretrained_vocabulary.tokens[3:])]))

    def use_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Add the words of a language model to those of the training data when the field is fitted."""
        self.pretrained_vocabulary = vocabulary

    def lexicon(self) -> Lexicon:
        """The words that have an embedding."""
        return Lexicon(self.words, UNKNOWN + 1, self.tokenization, self.normalize)

    # encoding ------------------------------------------------------------------------------------------------------
    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        """The ids of each cell, as `encode_tokens` returns them."""
        return [self.encode_tokens(token_texts(value)) for value in values]

    def encode_tokens(self, tokens: Sequence[str], before: Sequence[str] = ()) -> np.ndarray:
        """The ids of tokens, int32 (T, 1 + width), or (T,) without n-grams. `before` are the previous tokens of a stream."""
        ids = [self.ids.get(self.normalize(token), UNKNOWN) for token in tokens]
        if not self.character_ngrams:
            return np.array(ids, np.int32)
        encoded = np.zeros((len(tokens), 1 + self.width), np.int32)
        encoded[:, 0] = ids
        if self.tokenization == "words":
            for token_ids, token in zip(encoded, tokens, strict=True):
                token_ids[1:] = self._word_ngram_ids(token)
        else:
            contexts = context_ngrams([*before, *tokens], len(before), lookahead=self.lookahead)
            for token_ids, ngrams in zip(encoded, contexts, strict=True):
                token_ids[1 : 1 + len(ngrams)] = [self.ngram_ids.get(ngram, 0) for ngram in ngrams]
        return encoded

    def _word_ngram_ids(self, word: str) -> np.ndarray:
        """The ids of the known n-grams of a word, int32 (MAX_NGRAMS,), padded with 0."""
        if (cached := self._cache.get(word)) is not None:
            return cached
        padded = np.zeros(MAX_NGRAMS, np.int32)
        ids = [self.ngram_ids[ngram] for ngram in word_ngrams(word) if ngram in self.ngram_ids][:MAX_NGRAMS]
        padded[: len(ids)] = ids
        if len(self._cache) < MAX_CACHED_WORDS:
            self._cache[word] = padded
        return padded

    def empty(self) -> np.ndarray:
        """The ids of no tokens."""
        return np.zeros((0, 1 + self.width) if self.character_ngrams else 0, np.int32)

    # the run folder ------------------------------------------------------------------------------------------------
    def save(self, folder: Path) -> None:
        """Write words and n-grams."""
        saved = {"words": self.words, "ngrams": self.ngrams, "split_at_blanks": self.split_at_blanks}
        write_json(folder / f"{self.name}.json", saved)

    def load(self, folder: Path) -> None:
        """Read the file that `save` wrote."""
        saved = read_json(folder / f"{self.name}.json")
        self._set(saved["words"], saved["ngrams"])
        self.split_at_blanks = bool(saved.get("split_at_blanks", False))

    def describe(self) -> list[str]:
        """Lines about the size of the vocabulary."""
        ngrams = f", {len(self.ngrams):,} character n-grams" if self.character_ngrams else ""
        return [f"{self.name}: {len(self.words):,} {self.tokenization}{ngrams}", *self.notes]
