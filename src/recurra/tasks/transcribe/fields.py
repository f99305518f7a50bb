"""The text of a recording: what it is made of, and as it is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ...data.sources.columns import pick
from ...data.sources.rows import Source
from ...data.words.pretokenize import clean, cut
from ...data.words.vocabulary import build
from ...fields.paired_text import Raw, closed
from ...fields.text import Text

TRANSCRIPT_NAMES = (
    *("text", "transcript", "transcription", "sentence", "words", "target", "label", "utterance"),
    *("文本", "转写", "句子", "内容"),
)
UNITS = ("characters", "words")


class Transcript(Text):
    """Text as units: words where few distinct ones make up the texts, as digits do, else characters; case as it is."""

    def __init__(self, name: str, asked: str | None, level: Any) -> None:
        super().__init__(name, asked, level, 0, 1, spelling=False)
        self.column = asked or name
        self.unknown = 0  # units that training did not have, since `forget`

    def find(self, source: Source, taken: Sequence[str]) -> str:
        self.column = pick(source, self.name, self.asked, TRANSCRIPT_NAMES, _filled, exclude=taken)
        return self.column

    def look(self, texts: Sequence[str]) -> None:
        """Decide what the units are."""
        if self.level is None:
            whole = all(cut(word, "words")[0] == [word] for word in {word for text in texts for word in text.split()})
            self.level = "words" if whole and closed(texts) else "characters"

    def cut(self, text: str) -> list[str]:
        """Its units."""
        return cut(text, "words")[0] if self.level == "words" else list(clean(spaced(text)))

    def fit(self, values: Iterable[str]) -> None:
        assert self.level is not None  # look() has filled it
        self.vocabulary = build(map(spaced, values), self.level, min_count=1, lowercase=False)

    def encode(self, values: Sequence[str]) -> list[np.ndarray]:
        arrays = self.vocabulary.encode_batch(map(spaced, values))
        self.unknown += sum(int((array == self.vocabulary.unknown).sum()) for array in arrays)
        return arrays

    def describe(self) -> list[str]:
        why = ", which is all that the texts are made of" if self.level == "words" else ""
        return [f"{self.name}: {len(self.vocabulary) - 3:,} {self.level}{why}"]


class Reference(Raw):
    """A transcript as it is written."""

    def __init__(self, name: str, of: Transcript) -> None:
        super().__init__(name)
        self.of = of

    def find(self, source: Source, taken: Sequence[str]) -> str:
        return self.of.column


def spaced(text: str) -> str:
    """Single blanks between words and none at the ends: what is not heard."""
    return " ".join(text.split())


def _filled(cells: Sequence[str]) -> float:
    """The length of what is there, numbers or not."""
    return sum(map(len, cells)) / max(len(cells), 1)
