"""The field of the transcript of a recording, as a sequence of units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, final

import numpy as np

from ...data.sources.columns import pick
from ...data.sources.rows import Source
from ...data.words.pretokenize import clean, tokenize
from ...data.words.vocabulary import Vocabulary, build
from ...fields.base import Field
from ...fields.paired_text import is_closed_vocabulary

TRANSCRIPT_NAMES = (
    *("text", "transcript", "transcription", "sentence", "words", "target", "label", "utterance"),
    *("文本", "转写", "句子", "内容"),
)
TranscriptTokenization = Literal["characters", "words"]


@final
class Transcript(Field):
    """Transcripts as unit ids. Units are words if the texts consist of few distinct words, else characters. Case is kept.

    Args:
        name: name of the field.
        column: column that the user named, or None.
        tokenization: the unit; None: `choose_tokenization` has to be called before `fit`.
    """

    sequence = True
    storage = "ragged:int32"

    def __init__(self, name: str, column: str | None, tokenization: TranscriptTokenization | None) -> None:
        super().__init__(name, column)
        self._tokenization = tokenization
        self.vocabulary: Vocabulary

    @property
    def tokenization(self) -> TranscriptTokenization:
        """The unit. It is available after `choose_tokenization` or `load`."""
        return self._tokenization or "characters"

    def find(self, source: Source, taken: Sequence[str]) -> str:
        """Return the column that the user named, else a detected column. Raises DataError if there is none."""
        if self.column is None and (column := _normalized_column(source, taken)):
            source.reasons[column] = "no header; the last text of each row is the normalized one, as in LJSpeech"
            return column
        return pick(source, self.name, self.column, TRANSCRIPT_NAMES, _mean_length, exclude=taken)

    def choose_tokenization(self, texts: Sequence[str]) -> None:
        """Choose the tokenization from the first texts if the user has not set it.

        If the word tokenizer splits a word in two, decoding would omit the space between words, so characters are chosen.
        """
        if self._tokenization is None:
            words = {word for text in texts for word in text.split()}
            is_reversible = all(tokenize(word, "words")[0] == [word] for word in words)
            self._tokenization = "words" if is_reversible and is_closed_vocabulary(texts) else "characters"

    def tokenize(self, text: str) -> list[str]:
        """Return the units of a text."""
        return tokenize(text, "words")[0] if self.tokenization == "words" else list(clean(single_spaced(text)))

    def check(self, value: Any) -> str | None:
        """Return a description of the problem of a value, or None."""
        if value is None or (isinstance(value, str) and not value.strip()):
            return "is empty"
        return None if isinstance(value, str) else f"is {value!r:.40}, not text"

    def fit(self, values: Iterable[str]) -> None:
        """Build the vocabulary."""
        self.vocabulary = build(map(single_spaced, values), self.tokenization, min_count=1, lowercase=False)

    def encode(self, values: Sequence[str]) -> list[np.ndarray]:
        """Return the token ids of each value."""
        return list(self.vocabulary.encode_batch(map(single_spaced, values)))

    def save(self, folder: Path) -> None:
        """Write the vocabulary to the folder of the run."""
        self.vocabulary.save(folder, self.name)

    def load(self, folder: Path) -> None:
        """Read the vocabulary from the folder of the run."""
        self.vocabulary = Vocabulary.load(folder, self.name)
        self._tokenization = "words" if self.vocabulary.tokenization == "words" else "characters"

    def describe(self) -> list[str]:
        """Return the lines that training prints about the field."""
        distinct = "distinct " if self.tokenization == "words" else ""
        return [f"{self.name}: {len(self.vocabulary) - 3:,} {distinct}{self.tokenization}"]


def single_spaced(text: str) -> str:
    """Return the text with single spaces between words and none at the ends; other spaces are not audible."""
    return " ".join(text.split())


def _normalized_column(source: Source, taken: Sequence[str]) -> str | None:
    """Return the last column of a table as LJSpeech, ID|text|normalized text, whose two texts are mostly equal; else None."""
    facts = source.facts
    free = [column for column in source.columns if column not in taken]
    if facts is None or not facts.is_delimited or facts.header or len(free) != 2:
        return None
    rows = [[str(row.values.get(column) or "") for column in free] for row in source.first_rows()]
    similar = sum(set(a.lower().split()) & set(b.lower().split()) != set() for a, b in rows)
    return free[1] if 2 * similar > len(rows) else None


def _mean_length(cells: Sequence[str]) -> float:
    """Return the mean length of the cells, which may be numbers."""
    return sum(map(len, cells)) / max(len(cells), 1)
