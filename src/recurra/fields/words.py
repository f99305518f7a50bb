"""The field of the tokens themselves: words or characters, with subword features for those that are rare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, final

import numpy as np

from ..data.words.count import LossyCounter
from ..data.words.ngrams import BUCKETS, PIECES
from ..data.words.vocabulary import Vocabulary
from ..errors import SettingError
from ..files import read_json, write_json
from .character_ngrams import CONTEXT_NGRAMS, context_ngrams, normalize, word_ngrams
from .lexicon import Lexicon
from .token_lists import UNKNOWN, TokenField, token_texts

WORD_NAMES = ("tokens", "words", "form", "text", "sentence", "characters", "chars", "词", "句子", "文本")
TokenTokenization = Literal["words", "characters"]
CACHED_WORDS = 50_000  # whose n-grams are kept


@final
class Words(TokenField):
    """The tokens, each as the id of its word and, with `spelling`, the ids of its subword features.

    level      words, or characters; None: characters where nearly all tokens are one. It also says how raw text is cut
    character_ngrams   the subword features are character n-grams: those of a word that other words have too
               (recurra.data.words.ngrams), or those that contain a character and occur again; None: yes
    lookahead  whether the n-grams of a character may reach to later ones, which a stream does not have yet
    """

    option = "words"
    names = WORD_NAMES

    def __init__(
        self,
        name: str,
        column: str | None,
        *,
        tokenization: TokenTokenization | None,
        size: int,
        min_count: int | None,
        character_ngrams: bool | None,
        lookahead: bool,
    ) -> None:
        super().__init__(name, column)
        self.tokenization: TokenTokenization = tokenization or "words"
        self.level_is_open = tokenization is None
        self.size, self.min_count, self.lookahead = size, min_count, lookahead
        self.character_ngrams = True if character_ngrams is None else character_ngrams
        self.notes: list[str] = []
        self.extra: Vocabulary | None = None  # of a language model
        self._set([], [])

    def _set(self, words: Sequence[str], ngrams: Sequence[str]) -> None:
        self.words, self.ngrams = list(words), list(ngrams)
        self.ids = {word: at for at, word in enumerate(self.words, UNKNOWN + 1)}
        self.ngram_ids = {ngram: at for at, ngram in enumerate(self.ngrams, 1)}
        self._cache: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        """The number of ids: of padding, of unknown words, of the words."""
        return len(self.words) + UNKNOWN + 1

    @property
    def width(self) -> int:
        """The largest number of n-grams of a token."""
        return 0 if not self.character_ngrams else PIECES if self.tokenization == "words" else CONTEXT_NGRAMS

    @property
    def storage(self) -> str:
        return f"ragged:int32:{1 + self.width}" if self.character_ngrams else "ragged:int32"

    # fitting -------------------------------------------------------------------------------------------------------
    def fit(self, values: Iterable[Any]) -> None:
        tokens, contexts = self._count(values)
        self.notes = tokens.notes()
        words = Counter[str]()
        for token, count in tokens.counts.items():
            words[normalize(token)] += count
        counter = LossyCounter()
        counter.counts = words
        kept = counter.kept(self.size, self.min_count or 2)
        self._set(self._extended(kept), self._ngram_counts(tokens, contexts).kept(BUCKETS, 2))

    def _count(self, values: Iterable[Any]) -> tuple[LossyCounter, LossyCounter]:
        """Tokens, and the n-grams of characters, which are counted while tokens may be characters. Settles the level."""
        tokens, contexts = LossyCounter(), LossyCounter()
        total = single = 0
        maybe_characters = self.level_is_open or self.tokenization == "characters"
        for value in values:
            row = token_texts(value)
            tokens.add(row)
            total += len(row)
            single += sum(len(token) == 1 for token in row)
            if self.character_ngrams and maybe_characters and single > 0.5 * total:  # by what was read so far
                for ngrams in context_ngrams(row, 0, lookahead=self.lookahead):
                    contexts.add(ngrams)
        if self.level_is_open:
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
        """These words, and those of the language model."""
        if self.extra is None:
            return words
        if self.extra.tokenization != self.tokenization:
            raise SettingError(
                f"the tokens are {self.tokenization}, and the language model's {self.extra.tokenization}; train one "
                f"with --set tokenization={self.tokenization}"
            )
        return list(dict.fromkeys([*words, *map(normalize, self.extra.tokens[3:])]))

    def take(self, vocabulary: Vocabulary) -> None:
        """Add the words of a language model to those of the rows when the field is fitted."""
        self.extra = vocabulary

    def lexicon(self) -> Lexicon:
        return Lexicon(self.words, UNKNOWN + 1, self.tokenization, normalize)

    # encoding ------------------------------------------------------------------------------------------------------
    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        return [self.encode_tokens(token_texts(value)) for value in values]

    def encode_tokens(self, tokens: Sequence[str], before: Sequence[str] = ()) -> np.ndarray:
        """(T, 1 + width), or (T,) without character_ngrams. `before`: the characters before these tokens, in a stream."""
        ids = [self.ids.get(normalize(token), UNKNOWN) for token in tokens]
        if not self.character_ngrams:
            return np.array(ids, np.int32)
        rows = np.zeros((len(tokens), 1 + self.width), np.int32)
        rows[:, 0] = ids
        if self.tokenization == "words":
            for row, token in zip(rows, tokens, strict=True):
                row[1:] = self._word_ngram_ids(token)
        else:
            contexts = context_ngrams([*before, *tokens], len(before), lookahead=self.lookahead)
            for row, ngrams in zip(rows, contexts, strict=True):
                row[1 : 1 + len(ngrams)] = [self.ngram_ids.get(ngram, 0) for ngram in ngrams]
        return rows

    def _word_ngram_ids(self, word: str) -> np.ndarray:
        """The ids of the known n-grams of a word, (PIECES,), padded with 0."""
        if (cached := self._cache.get(word)) is not None:
            return cached
        row = np.zeros(PIECES, np.int32)
        ids = [self.ngram_ids[ngram] for ngram in word_ngrams(word) if ngram in self.ngram_ids][:PIECES]
        row[: len(ids)] = ids
        if len(self._cache) < CACHED_WORDS:
            self._cache[word] = row
        return row

    def empty(self) -> np.ndarray:
        return np.zeros((0, 1 + self.width) if self.character_ngrams else 0, np.int32)

    # the run folder ------------------------------------------------------------------------------------------------
    def save(self, folder: Path) -> None:
        write_json(folder / f"{self.name}.json", {"words": self.words, "pieces": self.ngrams})

    def load(self, folder: Path) -> None:
        saved = read_json(folder / f"{self.name}.json")
        self._set(saved["words"], saved["pieces"])

    def describe(self) -> list[str]:
        what = "runs of letters in them" if self.tokenization == "words" else "runs that they stand in"
        character_ngrams = f", {len(self.ngrams):,} {what}" if self.character_ngrams else ""
        return [f"{self.name}: {len(self.words):,} {self.tokenization}{character_ngrams}", *self.notes]
