"""The two sides of a pair of texts: fields whose vocabularies may be one, the texts as they are written, and tokenization.

`Side` holds the tokens of a side. `Raw` or `Letters` beside it hold the text as it is written: metrics compare answers with it,
and unknown words are copied from it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, final

import numpy as np

from ..data.sources.columns import by_name
from ..data.sources.rows import Source
from ..data.store.store import Store
from ..data.words.pretokenize import han_fraction
from ..data.words.vocabulary import Tokenization, Vocabulary, build
from ..errors import DataError
from .base import Field
from .text import infer_tokenization, text_problem, type_problem

SOURCE_NAMES = (
    "source",
    "src",
    "input",
    "question",
    "text",
    "sentence",
    "word",
    "passage",
    "原文",
    "源",
    "问题",
    "上联",
)
TARGET_NAMES = (
    *("target", "tgt", "output", "answer", "translation", "summary", "title", "pronunciation", "phonemes", "response"),
    *("译文", "目标", "答案", "下联"),
)
COLUMN_NAMES = {"source": SOURCE_NAMES, "target": TARGET_NAMES}
CLOSED = 200  # words at most of a set that is closed, as that of the phonemes is


def build_vocabulary(
    texts: Iterable[str],
    tokenization: Tokenization,
    *,
    name: str,
    size: int | None = None,
    min_count: int | None = None,
) -> Vocabulary:
    """The vocabulary of the texts of the field `name`, case kept. `min_count` None: 2 for words, else 1.

    Raises DataError where no token occurs often enough.
    """
    minimum = min_count or (2 if tokenization == "words" else 1)
    vocabulary = build(texts, tokenization, size=size, min_count=minimum, lowercase=False)
    if len(vocabulary) <= 3:
        raise DataError(f"no {tokenization} of the {name} occur {minimum} times; train on more rows")
    return vocabulary


@final
class Side(Field):
    """One side of a pair. A value is a text, or a tuple of texts, which are encoded as one with an end mark between them.

    `level` and `size`, of the vocabulary, may be changed before `fit`.
    """

    sequence = True
    storage = "ragged:int32"

    def __init__(
        self,
        name: str,
        column: str | None,
        min_count: int | None,
        tokenization: Tokenization = "characters",
        size: int | None = None,
    ) -> None:
        super().__init__(name, column)
        self.min_count, self.tokenization, self.size = min_count, tokenization, size
        self.vocabulary: Vocabulary
        self.vocabulary_of: Side | None = None  # the side whose vocabulary this one shares
        self._other_values: Callable[[], Iterable[Any]] | None = None

    def share_vocabulary(self, other: Side, values: Callable[[], Iterable[Any]]) -> None:
        """Use the vocabulary of `other`, which is then fitted on both. `values`: those of this side."""
        self.vocabulary_of, other._other_values = other, values

    def find(self, source: Source, taken: Sequence[str]) -> str:
        """The column asked for, else one with a usual name, else, of two columns, the first or the second."""
        if self.column is not None:
            return source.need(self.column)
        free = [column for column in source.columns if column not in taken]
        named = by_name(free)
        for name in COLUMN_NAMES[self.name]:
            if name in named:
                return named[name]
        if len(source.columns) == 2 and free:
            return free[0] if self.name == "source" else free[-1]
        there = ", ".join(source.columns[:20])
        raise DataError(
            f"which column is the {self.name}? name it with --{self.name} (there are {there})", file=source.path
        )

    def check(self, value: Any) -> str | None:
        return next((problem for text in texts_of(value) if (problem := text_problem(text))), None)

    def check_input(self, value: Any) -> str | None:
        return next((problem for text in texts_of(value) if (problem := type_problem(text))), None)

    def fit(self, values: Iterable[Any]) -> None:
        if self.vocabulary_of is not None:
            self.vocabulary = self.vocabulary_of.vocabulary
            return
        others = () if self._other_values is None else self._other_values()
        texts = (text for value in chain(values, others) for text in texts_of(value))
        self.vocabulary = build_vocabulary(
            texts, self.tokenization, name=self.name, size=self.size, min_count=self.min_count
        )

    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        parts = [texts_of(value) for value in values]
        encoded = iter(self.vocabulary.encode_batch(text for texts in parts for text in texts))
        end = np.array([Vocabulary.end], np.int32)
        rows = []
        for texts in parts:
            arrays = [next(encoded) for _ in texts]
            between = [piece for array in arrays for piece in (end, array)]
            rows.append(np.concatenate(between[1:]) if between else end[:0])
        return rows

    def cut(self, value: Any) -> list[str]:
        """The text of each token."""
        pieces = [["|", *self.vocabulary.tokenize(text)] for text in texts_of(value)]
        return [piece for part in pieces for piece in part][1:]

    def save(self, folder: Path) -> None:
        self.vocabulary.save(folder, self.name)

    def load(self, folder: Path) -> None:
        self.vocabulary = Vocabulary.load(folder, self.name)
        self.tokenization = self.vocabulary.tokenization

    def describe(self) -> list[str]:
        if self.vocabulary_of is not None:
            return []
        sides = self.name if self._other_values is None else "source and target"
        return [f"{sides}: {len(self.vocabulary):,} {self.tokenization}"]


def texts_of(value: Any) -> tuple[Any, ...]:
    """The texts of a value of a side."""
    return value if isinstance(value, tuple) else (value,)


# tokenization ----------------------------------------------------------------------------------------------------------
def choose_levels(sources: Sequence[Any], targets: Sequence[str]) -> tuple[Tokenization, Tokenization]:
    """What a token of each side is, from the first rows.

    The target: characters where it is a single word, as a date or a name, or Chinese; words where these are of a small
    closed set, as phonemes are; else subwords. The source: characters where it is a single word, or Chinese, or short
    beside a target of characters that is not Chinese (one is spelt anew from the other); else subwords.
    """
    texts = [text for value in sources for text in texts_of(value)]
    target: Tokenization = "subwords"
    if infer_tokenization(targets) == "characters" or han_fraction(targets) > 0.5:
        target = "characters"
    elif closed(targets):
        target = "words"
    spelt = target == "characters" and han_fraction(targets) <= 0.5
    short = sum(map(len, texts)) <= 60 * len(texts)
    if infer_tokenization(texts) == "characters" or han_fraction(texts) > 0.5 or (spelt and short):
        return "characters", target
    return "subwords", target


def closed(texts: Sequence[str]) -> bool:
    """Whether few distinct words make up the texts."""
    words = [word for text in texts for word in text.split()]
    return len(set(words)) <= min(len(words) / 10, CLOSED) and "".join(words).isalnum()


def same_alphabet(sources: Sequence[Any], targets: Sequence[str]) -> bool:
    """Whether the two sides are written in the same letters, so that they can share subwords."""
    a, b = ({letter for text in texts for letter in text if letter.isalpha()} for texts in
            ([text for value in sources for text in texts_of(value)], targets))  # fmt: skip
    return len(a & b) >= 0.6 * max(min(len(a), len(b)), 1)


# the texts as they are written -----------------------------------------------------------------------------------------
@final
class Raw(Field):
    """A side as it is written, beside its tokens, as JSON."""

    storage = "ragged:uint8"
    is_fitted = False

    def find(self, source: Source, taken: Sequence[str]) -> str:
        raise NotImplementedError(f"{self.name} is in the column of its side")

    def check(self, value: Any) -> str | None:
        return None  # its side has checked it

    def fit(self, values: Iterable[Any]) -> None: ...

    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        return [np.frombuffer(json.dumps(value).encode(), np.uint8) for value in values]

    @staticmethod
    def read(store: Store, name: str, rows: np.ndarray) -> list[Any]:
        """The values of these rows again."""
        padded, lengths = store.ragged(name, rows)
        values = [json.loads(row[:length].tobytes()) for row, length in zip(padded, lengths, strict=True)]
        return [tuple(value) if isinstance(value, list) else value for value in values]

    def save(self, folder: Path) -> None: ...

    def load(self, folder: Path) -> None: ...


@final
class Letters(Field):
    """A side as the code points of its characters, one a step: also those that the vocabulary does not have."""

    storage = "ragged:int32"
    is_fitted = False

    def find(self, source: Source, taken: Sequence[str]) -> str:
        raise NotImplementedError(f"{self.name} is in the column of its side")

    def check(self, value: Any) -> str | None:
        return None  # its side has checked it

    def fit(self, values: Iterable[Any]) -> None: ...

    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        return code_points(values)

    @staticmethod
    def read(store: Store, name: str, rows: np.ndarray) -> list[str]:
        """The texts of these rows again."""
        padded, lengths = store.ragged(name, rows)
        return ["".join(map(chr, row[:length])) for row, length in zip(padded, lengths, strict=True)]

    def save(self, folder: Path) -> None: ...

    def load(self, folder: Path) -> None: ...


def code_points(texts: Sequence[str]) -> list[np.ndarray]:
    """The code point of each character, an array for each text."""
    return [np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<i4").copy() for text in texts]
