"""Fields of pairs of texts: the tokens of a source or target, the unmodified texts, and the choice of tokenizations.

`PairedText` stores the tokens of one side of a pair. `RawText` or `CodePoints` stores the unmodified text in addition: metrics
compare answers with it, and unknown words are copied from it.
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
from ..data.sources.usual_names import SOURCE_NAMES, TARGET_NAMES
from ..data.store.store import Store
from ..data.words.pretokenize import han_fraction
from ..data.words.vocabulary import Tokenization, Vocabulary, build
from ..errors import DataError
from .base import Field
from .text import infer_tokenization, text_problem, type_problem

COLUMN_NAMES = {"source": SOURCE_NAMES, "target": TARGET_NAMES}
MAX_CLOSED_VOCABULARY = 200  # distinct words; the phonemes of a language are fewer


def build_vocabulary(
    texts: Iterable[str],
    tokenization: Tokenization,
    *,
    name: str,
    size: int | None = None,
    min_count: int | None = None,
) -> Vocabulary:
    """The case-sensitive vocabulary of the texts of the field `name`.

    min_count  smallest number of occurrences of a token. None: 2 for words, 1 for characters and subwords

    Raises DataError if no token occurs often enough.
    """
    minimum = min_count or (2 if tokenization == "words" else 1)
    vocabulary = build(texts, tokenization, size=size, min_count=minimum, lowercase=False)
    if len(vocabulary) <= 3:
        raise DataError(f"no {tokenization} of the {name} occur {minimum} times; train on more rows")
    return vocabulary


@final
class PairedText(Field):
    """The source or the target of a pair, as tokens.

    A value is a text, or a tuple of texts, which are encoded as one sequence with an end token between them. The attributes
    `tokenization` and `size` (of the vocabulary) may be changed before `fit`.
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
        self.vocabulary_of: PairedText | None = None  # the field whose vocabulary this one uses
        self._other_values: Callable[[], Iterable[Any]] | None = None

    def share_vocabulary(self, other: PairedText, values: Callable[[], Iterable[Any]]) -> None:
        """Use the vocabulary of `other`, which is then fitted on both fields. `values` returns the values of this field."""
        self.vocabulary_of, other._other_values = other, values

    def find(self, source: Source, taken: Sequence[str]) -> str:
        """The column that the user named, else one with a common name, else the first (source) or second (target) of two."""
        if self.column is not None:
            return source.need(self.column)
        free = [column for column in source.columns if column not in taken]
        columns = by_name(free)
        for name in COLUMN_NAMES[self.name]:
            if name in columns:
                source.reasons[columns[name]] = f"its name is usual for the {self.name}"
                return columns[name]
        if len(source.columns) == 2 and free:
            column = free[0] if self.name == "source" else free[-1]
            source.reasons[column] = "the file has two columns"
            return column
        if source.facts is not None and source.facts.is_delimited and not source.facts.header:
            first = _first_texts(
                source
            )  # pairs without a header, such as those of Tatoeba: source, target, attribution
            if len(first) == 2 and (column := first[self.name == "target"]) in free:
                source.reasons[column] = "the file has no header; the first two columns of text are the pair"
                return column
        columns_found = ", ".join(source.columns[:20])
        raise DataError(
            f"cannot determine the column of the {self.name}; name it with --{self.name} (columns: {columns_found})",
            file=source.path,
        )

    def check(self, value: Any) -> str | None:
        """The problem with a value for training, or None."""
        return next((problem for text in texts_of(value) if (problem := text_problem(text))), None)

    def check_input(self, value: Any) -> str | None:
        """The problem with a value for prediction, or None. Empty texts are allowed."""
        return next((problem for text in texts_of(value) if (problem := type_problem(text))), None)

    def fit(self, values: Iterable[Any]) -> None:
        """Build the vocabulary, or use that of the other field."""
        if self.vocabulary_of is not None:
            self.vocabulary = self.vocabulary_of.vocabulary
            return
        others = () if self._other_values is None else self._other_values()
        texts = (text for value in chain(values, others) for text in texts_of(value))
        self.vocabulary = build_vocabulary(
            texts, self.tokenization, name=self.name, size=self.size, min_count=self.min_count
        )

    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        """The token ids of each value, one array (T,) per value."""
        texts_of_values = [texts_of(value) for value in values]
        encoded = iter(self.vocabulary.encode_batch(text for texts in texts_of_values for text in texts))
        end = np.array([Vocabulary.end], np.int32)
        rows = []
        for texts in texts_of_values:
            arrays = [next(encoded) for _ in texts]
            separated = [part for array in arrays for part in (end, array)]
            rows.append(np.concatenate(separated[1:]) if separated else end[:0])
        return rows

    def tokenize(self, value: Any) -> list[str]:
        """The text of each token of a value; "|" for an end token between two texts."""
        tokens = [["|", *self.vocabulary.tokenize(text)] for text in texts_of(value)]
        return [token for text_tokens in tokens for token in text_tokens][1:]

    def save(self, folder: Path) -> None:
        """Write the vocabulary."""
        self.vocabulary.save(folder, self.name)

    def load(self, folder: Path) -> None:
        """Read the vocabulary."""
        self.vocabulary = Vocabulary.load(folder, self.name)
        self.tokenization = self.vocabulary.tokenization

    def describe(self) -> list[str]:
        """A message with the size of the vocabulary; none if it is that of the other field."""
        if self.vocabulary_of is not None:
            return []
        sides = self.name if self._other_values is None else "source and target"
        return [f"{sides}: {len(self.vocabulary):,} {self.tokenization}"]


def _first_texts(source: Source) -> list[str]:
    """The first two columns of text."""
    facts = source.facts
    return [column.name for column in (facts.columns if facts else ()) if column.type == "text"][:2]


def texts_of(value: Any) -> tuple[Any, ...]:
    """The texts of a value of a `PairedText`."""
    return value if isinstance(value, tuple) else (value,)


# tokenization ----------------------------------------------------------------------------------------------------------
def choose_tokenizations(sources: Sequence[Any], targets: Sequence[str]) -> tuple[Tokenization, Tokenization]:
    """The tokenization of sources and of targets, chosen from the first pairs.

    Targets are split into characters if they are single words, such as dates or names, or Chinese; into words if these belong
    to a small closed vocabulary, such as phonemes; else into subwords. Sources are split into characters if they are single
    words or Chinese, or short with targets of characters that are not Chinese (spelling tasks); else into subwords.
    """
    texts = [text for value in sources for text in texts_of(value)]
    target: Tokenization = "subwords"
    if infer_tokenization(targets) == "characters" or han_fraction(targets) > 0.5:
        target = "characters"
    elif is_closed_vocabulary(targets):
        target = "words"
    is_spelling = target == "characters" and han_fraction(targets) <= 0.5
    short = sum(map(len, texts)) <= 60 * len(texts)
    if infer_tokenization(texts) == "characters" or han_fraction(texts) > 0.5 or (is_spelling and short):
        return "characters", target
    return "subwords", target


def is_closed_vocabulary(texts: Sequence[str]) -> bool:
    """Whether the texts consist of few distinct words, each of them letters and digits only."""
    words = [word for text in texts for word in text.split()]
    return len(set(words)) <= min(len(words) / 10, MAX_CLOSED_VOCABULARY) and "".join(words).isalnum()


def same_alphabet(sources: Sequence[Any], targets: Sequence[str]) -> bool:
    """Whether sources and targets use the same letters, so that they can share subwords."""
    a, b = ({letter for text in texts for letter in text if letter.isalpha()} for texts in
            ([text for value in sources for text in texts_of(value)], targets))  # fmt: skip
    return len(a & b) >= 0.6 * max(min(len(a), len(b)), 1)


# unmodified texts ------------------------------------------------------------------------------------------------------
@final
class RawText(Field):
    """The unmodified source or target, stored as JSON."""

    storage = "ragged:uint8"
    is_fitted = False

    def find(self, source: Source, taken: Sequence[str]) -> str:
        """Not supported: the field with the tokens determines the column."""
        raise NotImplementedError(f"{self.name} uses the column of the field with the tokens")

    def check(self, value: Any) -> str | None:
        """No problem: the field with the tokens has checked the value."""
        return None

    def fit(self, values: Iterable[Any]) -> None:
        """Nothing is fitted."""

    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        """The values as JSON, one array of bytes per value."""
        return [np.frombuffer(json.dumps(value).encode(), np.uint8) for value in values]

    @staticmethod
    def read(store: Store, name: str, rows: np.ndarray) -> list[Any]:
        """The values of these rows of a store."""
        padded, lengths = store.ragged(name, rows)
        values = [json.loads(row[:length].tobytes()) for row, length in zip(padded, lengths, strict=True)]
        return [tuple(value) if isinstance(value, list) else value for value in values]

    def save(self, folder: Path) -> None:
        """Nothing is saved."""

    def load(self, folder: Path) -> None:
        """Nothing is loaded."""


@final
class CodePoints(Field):
    """The unmodified source or target, stored as one code point per step, including characters outside the vocabulary."""

    storage = "ragged:int32"
    is_fitted = False

    def find(self, source: Source, taken: Sequence[str]) -> str:
        """Not supported: the field with the tokens determines the column."""
        raise NotImplementedError(f"{self.name} uses the column of the field with the tokens")

    def check(self, value: Any) -> str | None:
        """No problem: the field with the tokens has checked the value."""
        return None

    def fit(self, values: Iterable[Any]) -> None:
        """Nothing is fitted."""

    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        """The code points of each text, one array (T,) per text."""
        return code_points(values)

    @staticmethod
    def read(store: Store, name: str, rows: np.ndarray) -> list[str]:
        """The texts of these rows of a store."""
        padded, lengths = store.ragged(name, rows)
        return ["".join(map(chr, row[:length])) for row, length in zip(padded, lengths, strict=True)]

    def save(self, folder: Path) -> None:
        """Nothing is saved."""

    def load(self, folder: Path) -> None:
        """Nothing is loaded."""


def code_points(texts: Sequence[str]) -> list[np.ndarray]:
    """The code points of the characters of each text, one array (T,) per text."""
    return [np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<i4").copy() for text in texts]
