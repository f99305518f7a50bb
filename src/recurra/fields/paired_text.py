"""The two sides of a pair: fields of text whose vocabularies may be one, and what each side is cut into."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ..data.sources.columns import by_name
from ..data.sources.rows import Source
from ..data.sources.sources import open_source
from ..data.sources.tables import Delimited
from ..data.store.store import Store
from ..data.words.pretokenize import han_share
from ..data.words.vocabulary import Level, Vocabulary, build
from ..errors import DataError, SettingError
from .base import Field
from .text import Text, natural_level

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
KNOWN = {"source": SOURCE_NAMES, "target": TARGET_NAMES}
CLOSED = 200  # words at most of a set that is closed, as that of the phonemes is


class Side(Text):
    """One side of a pair. A value is a text, or several, which are read as one with an end mark between them.

    `level` and `size` are filled before `fit`. `same_as`: its vocabulary is that of another side, which learns from both.
    """

    def __init__(self, name: str, asked: str | None, min_count: int | None) -> None:
        super().__init__(name, asked, None, 0, min_count, spelling=False)
        self.same_as: Side | None = None
        self.also: Callable[[], Iterable[Any]] = tuple  # the other side's texts, where this vocabulary is for both

    def find(self, source: Source, taken: Sequence[str]) -> str:
        """The column asked for, else one of a name that people give it, else, of two columns, the first or the second."""
        if self.asked is not None:
            return source.need(self.asked)
        free = [column for column in source.columns if column not in taken]
        called = by_name(free)
        for name in KNOWN[self.name]:
            if name in called:
                return called[name]
        if len(source.columns) == 2 and free:
            return free[0] if self.name == "source" else free[-1]
        there = ", ".join(source.columns[:20])
        raise DataError(
            f"which column is the {self.name}? name it with --{self.name} (there are {there})", file=source.path
        )

    def check(self, value: Any) -> str | None:
        for text in _texts(value):
            if said := super().check(text):
                return said
        return None

    def unusable(self, value: Any) -> str | None:
        return next((said for text in _texts(value) if (said := super(Side, self).unusable(text))), None)

    def fit(self, values: Iterable[Any]) -> None:
        if self.same_as is not None:
            self.vocabulary = self.same_as.vocabulary
            return
        assert self.level is not None  # the task has filled it
        texts = (text for value in chain(values, self.also()) for text in _texts(value))
        minimum = self.min_count or (2 if self.level == "words" else 1)
        self.vocabulary = build(texts, self.level, size=self.size or None, min_count=minimum, lowercase=False)
        if len(self.vocabulary) <= 3:
            raise DataError(f"no {self.level} of the {self.name} occur {minimum} times; train on more rows")

    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        parts = [_texts(value) for value in values]
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
        pieces = [["|", *self.vocabulary.cut(text)] for text in _texts(value)]
        return [piece for part in pieces for piece in part][1:]

    def describe(self) -> list[str]:
        if self.same_as is not None:
            return []
        sides = "source and target" if self.also is not tuple else self.name
        return [f"{sides}: {len(self.vocabulary):,} {self.level}"]


def _texts(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def levels(sources: Sequence[Any], targets: Sequence[str]) -> tuple[Level, Level]:
    """What each side is cut into, from a look at the first rows.

    The target: characters where it is a single word, as a date or a name, or Chinese; words where these are of a small
    closed set, as phonemes are; else subwords. The source: characters where it is a single word, or Chinese, or short
    beside a target of characters that is not Chinese (one is spelt anew from the other); else subwords.
    """
    texts = [text for value in sources for text in _texts(value)]
    target: Level = "subwords"
    if natural_level(targets) == "characters" or han_share(targets) > 0.5:
        target = "characters"
    elif closed(targets):
        target = "words"
    spelt = target == "characters" and han_share(targets) <= 0.5
    short = sum(map(len, texts)) <= 60 * len(texts)
    if natural_level(texts) == "characters" or han_share(texts) > 0.5 or (spelt and short):
        return "characters", target
    return "subwords", target


def closed(texts: Sequence[str]) -> bool:
    """Whether few distinct words make up the texts."""
    words = [word for text in texts for word in text.split()]
    return len(set(words)) <= min(len(words) / 10, CLOSED) and "".join(words).isalnum()


def alike(sources: Sequence[Any], targets: Sequence[str]) -> bool:
    """Whether the two sides are written in the same letters, so that they can share subwords."""
    a, b = ({letter for text in texts for letter in text if letter.isalpha()} for texts in
            ([text for value in sources for text in _texts(value)], targets))  # fmt: skip
    return len(a & b) >= 0.6 * max(min(len(a), len(b)), 1)


class Raw(Field):
    """A side as it is written, beside its tokens: what answers are compared with, and what unknown words are copied from."""

    kind = "ragged:uint8"
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


class Letters(Raw):
    """A side as the code points of its characters, one a step: also those that the vocabulary does not know."""

    kind = "ragged:int32"

    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        return self.codes(values)

    @staticmethod
    def codes(texts: Sequence[str]) -> list[np.ndarray]:
        return [np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<i4").copy() for text in texts]

    @staticmethod
    def read(store: Store, name: str, rows: np.ndarray) -> list[Any]:
        padded, lengths = store.ragged(name, rows)
        return ["".join(map(chr, row[:length])) for row, length in zip(padded, lengths, strict=True)]


def pairs_of(
    data: str | Path, *, encoding: str, skip_broken: bool, header: bool | None, asked: Sequence[str] = ()
) -> Source:
    """A table of pairs that may lack a header, which files of Chinese couplets often do.

    header  whether the first line names the columns. None: not where it is two cells of Chinese of one length that are no
            names that people give such columns, and none of them is `asked` for
    """
    source = open_source(data, encoding=encoding, skip_broken=skip_broken)
    if not isinstance(source, Delimited):
        if header is False:
            raise SettingError(f"header is false, and {source.path} is no CSV or TSV; leave it out")
        return source
    if header is None:
        with_header = len(source.columns) != 2 or any(
            name in asked or name.lower() in (*SOURCE_NAMES, *TARGET_NAMES) for name in source.columns
        )
        one, other = source.columns if not with_header else ("", "")
        header = with_header or len(one) != len(other) or min(han_share([one]), han_share([other])) <= 0.5
    return source if header else source.without_header()
