"""The field of the tokens themselves: words or characters, and what tells of those that are rare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..data.sources.rows import Source
from ..data.words.count import LossyCounter
from ..data.words.ngrams import BUCKETS, PIECES
from ..data.words.vocabulary import Vocabulary
from ..errors import SettingError
from ..files import read_json, write_json
from .character_ngrams import NEIGHBOURS, neighbours, normal, pieces_of
from .lexicon import Lexicon
from .token_lists import UNKNOWN, TokenField, written

WORD_NAMES = ("tokens", "words", "form", "text", "sentence", "characters", "chars", "词", "句子", "文本")
TokenLevel = Literal["words", "characters"]


class Words(TokenField):
    """The tokens, each as the number of its word and, with `spelling`, the numbers of the pieces that tell of it.

    level      words, or characters where nearly all tokens are one; None: found. It also says how raw text is cut
    spelling   the pieces are runs of letters in the word (recurra.data.words.ngrams) that other words have too; of a
               character the runs of characters it stands in that occur again
    ahead      whether a character's runs may reach to later ones; not in a stream
    """

    option = "words"
    known = WORD_NAMES

    def __init__(
        self,
        name: str,
        asked: str | None,
        *,
        level: TokenLevel | None,
        size: int,
        min_count: int | None,
        spelling: bool | None,
        ahead: bool,
    ) -> None:
        super().__init__(name, asked)
        self.level, self.size, self.min_count, self.ahead = level, size, min_count, ahead
        self.spelling = True if spelling is None else spelling
        self.places = False
        self.notes: list[str] = []
        self.more: Vocabulary | None = None  # of a language model
        self._set([], [])

    def _set(self, words: Sequence[str], pieces: Sequence[str]) -> None:
        self.words, self.pieces = list(words), list(pieces)
        self.ids = {word: at for at, word in enumerate(self.words, UNKNOWN + 1)}
        self.piece_ids = {piece: at for at, piece in enumerate(self.pieces, 1)}
        self._known: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        """Numbers there are: of padding, of what is unknown, of the words."""
        return len(self.words) + UNKNOWN + 1

    @property
    def width(self) -> int:
        """Pieces of a token, at most."""
        return 0 if not self.spelling else PIECES if self.level == "words" else NEIGHBOURS

    @property
    def kind(self) -> str:
        return f"ragged:int32:{1 + self.width}" if self.spelling else "ragged:int32"

    def find(self, source: Source, taken: Sequence[str]) -> str:
        self.places = bool(getattr(source, "places", False))
        return super().find(source, taken)

    def fit(self, values: Iterable[Any]) -> None:
        counter, around = LossyCounter(), LossyCounter()
        tokens = single = 0
        for value in values:
            row = written(value)
            counter.add(row)
            tokens += len(row)
            single += sum(len(token) == 1 for token in row)
            if self.spelling and self.level != "words" and single > 0.5 * tokens:  # characters, by what is seen so far
                for found in neighbours(row, 0, ahead=self.ahead):
                    around.add(found)
        if self.level is None:
            self.level = "characters" if single > 0.95 * tokens else "words"
        words = Counter[str]()
        for token, count in counter.counts.items():
            words[normal(token)] += count
        counted, self.notes = LossyCounter(), counter.notes()
        counted.counts = words
        if self.level == "words":
            around = LossyCounter()
            for token in counter.counts if self.spelling else ():
                around.add(pieces_of(token))
        words_kept = counted.kept(self.size, self.min_count or 2)
        if self.more is not None:
            if self.more.level != self.level:
                raise SettingError(f"the tokens are {self.level}, and the language model's {self.more.level}; train one "
                                   f"with --set level={self.level}")  # fmt: skip
            words_kept = list(dict.fromkeys([*words_kept, *map(normal, self.more.tokens[3:])]))
        self._set(words_kept, around.kept(BUCKETS, 2))

    def take(self, vocabulary: Vocabulary) -> None:
        """Know the words of a language model too, beside those of the rows."""
        self.more = vocabulary

    def lexicon(self) -> Lexicon:
        return Lexicon(self.words, UNKNOWN + 1, str(self.level), normal)

    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        return [self.numbers(written(value)) for value in values]

    def numbers(self, tokens: Sequence[str], before: Sequence[str] = ()) -> np.ndarray:
        """(T, 1 + width), or (T,) without spelling. `before`: the characters that stood before these in a stream."""
        ids = [self.ids.get(normal(token), UNKNOWN) for token in tokens]
        if not self.spelling:
            return np.array(ids, np.int32)
        rows = np.zeros((len(tokens), 1 + self.width), np.int32)
        rows[:, 0] = ids
        if self.level == "words":
            for row, token in zip(rows, tokens, strict=True):
                row[1:] = self._spelt(token)
        else:
            every = neighbours([*before, *tokens], len(before), ahead=self.ahead)
            for row, found in zip(rows, every, strict=True):
                row[1 : 1 + len(found)] = [self.piece_ids.get(run, 0) for run in found]
        return rows

    def _spelt(self, token: str) -> np.ndarray:
        """The numbers of a word's pieces, (PIECES,) padded with 0; those that are not known are left out."""
        if (found := self._known.get(token)) is None:
            found = np.zeros(PIECES, np.int32)
            numbers = [self.piece_ids[run] for run in pieces_of(token) if run in self.piece_ids][:PIECES]
            found[: len(numbers)] = numbers
            if len(self._known) < 50_000:
                self._known[token] = found
        return found

    def nothing(self) -> np.ndarray:
        return np.zeros((0, 1 + self.width) if self.spelling else 0, np.int32)

    def save(self, folder: Path) -> None:
        write_json(folder / f"{self.name}.json", {"words": self.words, "pieces": self.pieces})

    def load(self, folder: Path) -> None:
        saved = read_json(folder / f"{self.name}.json")
        self._set(saved["words"], saved["pieces"])

    def describe(self) -> list[str]:
        what = "runs of letters in them" if self.level == "words" else "runs that they stand in"
        spelling = f", {len(self.pieces):,} {what}" if self.spelling else ""
        lines = [f"{self.name}: {len(self.words):,} {self.level}{spelling}"]
        if self.places:
            lines.append("each character has the number of its place in a word after it: the numbers are left out")
        return lines + self.notes
