"""The field of the text of a recording, cut into units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, final

import numpy as np

from ...data.sources.columns import pick
from ...data.sources.rows import Source
from ...data.words.pretokenize import clean, cut
from ...data.words.vocabulary import Vocabulary, build
from ...fields.base import Field
from ...fields.paired_text import is_closed_vocabulary

TRANSCRIPT_NAMES = (
    *("text", "transcript", "transcription", "sentence", "words", "target", "label", "utterance"),
    *("文本", "转写", "句子", "内容"),
)
UnitLevel = Literal["characters", "words"]


@final
class Transcript(Field):
    """Text as units: words where few distinct ones make up the texts, as digits do, else characters; the case is kept.

    tokenization  what a unit is; None: `choose_level` is called before anything else is read
    """

    sequence = True
    storage = "ragged:int32"

    def __init__(self, name: str, column: str | None, tokenization: UnitLevel | None) -> None:
        super().__init__(name, column)
        self._level = tokenization
        self.vocabulary: Vocabulary

    @property
    def tokenization(self) -> UnitLevel:
        """What a unit is. Known once it was chosen or loaded."""
        return self._level or "characters"

    def find(self, source: Source, taken: Sequence[str]) -> str:
        return pick(source, self.name, self.column, TRANSCRIPT_NAMES, _mean_length, exclude=taken)

    def choose_level(self, texts: Sequence[str]) -> None:
        """Choose the tokenization from the first texts, where the user left it open.

        Words that are cut in two would be written without the blank between them, so they make characters the units.
        """
        if self._level is None:
            words = {word for text in texts for word in text.split()}
            whole = all(cut(word, "words")[0] == [word] for word in words)
            self._level = "words" if whole and is_closed_vocabulary(texts) else "characters"

    def cut(self, text: str) -> list[str]:
        """The units of a text."""
        return cut(text, "words")[0] if self.tokenization == "words" else list(clean(single_spaced(text)))

    def check(self, value: Any) -> str | None:
        if value is None or (isinstance(value, str) and not value.strip()):
            return "is empty"
        return None if isinstance(value, str) else f"is {value!r:.40}, not text"

    def fit(self, values: Iterable[str]) -> None:
        self.vocabulary = build(map(single_spaced, values), self.tokenization, min_count=1, lowercase=False)

    def encode(self, values: Sequence[str]) -> list[np.ndarray]:
        return list(self.vocabulary.encode_batch(map(single_spaced, values)))

    def save(self, folder: Path) -> None:
        self.vocabulary.save(folder, self.name)

    def load(self, folder: Path) -> None:
        self.vocabulary = Vocabulary.load(folder, self.name)
        self._level = "words" if self.vocabulary.tokenization == "words" else "characters"

    def describe(self) -> list[str]:
        why = ", which is all that the texts are made of" if self.tokenization == "words" else ""
        return [f"{self.name}: {len(self.vocabulary) - 3:,} {self.tokenization}{why}"]


def single_spaced(text: str) -> str:
    """Single blanks between words and none at the ends: others cannot be heard."""
    return " ".join(text.split())


def _mean_length(cells: Sequence[str]) -> float:
    """The mean length of the cells, numbers or not."""
    return sum(map(len, cells)) / max(len(cells), 1)
