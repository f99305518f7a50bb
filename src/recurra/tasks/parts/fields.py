"""Fields: what one column of a table is to a task. A field finds its column, fits what it needs, encodes, and saves that.

text     tokens of a vocabulary          label    one of the classes
series   a list of numbers or vectors    number   a number, standardised for training
"""

from __future__ import annotations

import itertools
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ...data import columns
from ...data.cutters import Cutter
from ...data.sources import Row, Source
from ...data.spelling import PIECES
from ...data.tokenstream import TokenStream
from ...data.vocabulary import Level, Vocabulary, build
from ...errors import CallError, DataError, RunError, SettingError, near
from ...files import read_json, write_json


class Lexicon(NamedTuple):
    """The words that a field knows by a vector each: word n of `words` has the number `first` + n."""

    words: Sequence[str]
    first: int
    level: str
    normal: Callable[[str], str]  # a word as the field writes it


SPELT = 1_500_000  # characters of text; with more, words are seen often enough


class Field(ABC):
    """`name` is what the network and `predict` call it, `asked` the column the user named, if any."""

    sequence: ClassVar[bool] = False  # has a length

    def __init__(self, name: str, asked: str | None = None) -> None:
        self.name, self.asked = name, asked

    @abstractmethod
    def find(self, source: Source, taken: Sequence[str]) -> str:
        """The column of `source` that is this field."""

    def value(self, row: Row, column: str) -> Any:
        """What a row has in its column."""
        return row.values.get(column)

    def key(self, value: Any) -> str:
        """What makes a value the same as another: equal keys are repeated rows, and go to one part of a split."""
        return str(value)

    def check(self, value: Any) -> str | None:
        """What is wrong with a value, in words, or None."""
        return None if value is not None else "is missing"

    def unusable(self, value: Any) -> str | None:
        """As `check`, for a value to predict from."""
        return self.check(value)

    def meant(self, example: Any) -> Any:
        """The value that somebody who predicts means by what he gives."""
        return example

    def is_one(self, file: str) -> bool:
        """Whether a file to predict from is one value, and no table or file of lines."""
        return False

    @abstractmethod
    def fit(self, values: Iterable[Any]) -> None:
        """Learn what encoding needs, in one pass."""

    @property
    @abstractmethod
    def kind(self) -> str:
        """How the store keeps it."""

    @abstractmethod
    def encode(self, values: Sequence[Any]) -> list[Any]:
        """Arrays or numbers for the store, one a value."""

    def stream(self) -> TokenStream:
        """For a sequence that arrives in pieces: its encoding, as far as no later piece can change it."""
        raise NotImplementedError(f"{self.name} has no pieces")

    def whole(self) -> str | None:
        """Why a value must be whole before it is encoded, in words; None where it may come in pieces."""
        return None

    def nothing(self) -> np.ndarray:
        """A sequence of no steps, encoded."""
        raise NotImplementedError(f"{self.name} has no steps")

    @abstractmethod
    def save(self, folder: Path) -> None: ...

    @abstractmethod
    def load(self, folder: Path) -> None: ...

    def describe(self) -> list[str]:
        return []


class Text(Field):
    """Text as tokens. `level` None: characters where most texts are one short word, else words.

    `spelling`: beside each word the pieces it is spelt of; None: where there is too little text to know the words by.
    `cutter` gives what cuts words, where it is not our own patterns: asked when the vocabulary is made.
    """

    sequence = True

    def __init__(
        self,
        name: str,
        asked: str | None,
        level: Level | None,
        size: int,
        min_count: int | None,
        spelling: bool | None = False,
        cutter: Callable[[], Cutter | None] | None = None,
    ) -> None:
        super().__init__(name, asked)
        self.level, self.size, self.min_count, self.spelling = level, size, min_count, spelling
        self.cutter = cutter
        self.vocabulary: Vocabulary
        self.taken = False  # the vocabulary is that of a language model

    @property
    def kind(self) -> str:
        return f"ragged:int32:{1 + PIECES}" if self.spelling else "ragged:int32"

    def find(self, source: Source, taken: Sequence[str]) -> str:
        return columns.find_text(source, self.asked, exclude=taken)

    def check(self, value: Any) -> str | None:
        if value is None or (isinstance(value, str) and not value.strip()):
            return "is empty"
        return self.unusable(value)

    def unusable(self, value: Any) -> str | None:  # nothing is a text, if a short one
        return None if isinstance(value, str) else f"is {value!r:.40}, not text"

    def take(self, vocabulary: Vocabulary) -> None:
        """Use the vocabulary of a language model. SettingError where other settings disagree."""
        theirs = f"the language model's, {len(vocabulary):,} {vocabulary.level}"
        if self.level not in (None, vocabulary.level):
            raise SettingError(
                f"level is {self.level}, and with --pretrain the vocabulary is {theirs}; leave level out"
            )
        if self.min_count is not None:
            raise SettingError(f"with --pretrain the vocabulary is {theirs}; leave min_count out")
        if self.cutter is not None and self.cutter() is not None:
            raise SettingError(f"with --pretrain the text is cut as {theirs}; leave cutter and stop_words out")
        self.vocabulary, self.level, self.taken = vocabulary, vocabulary.level, True
        self.spelling = self.spelling or False  # the model has read the words it is to know
        if self.spelling and self.level != "words":
            raise SettingError(f"only words have a spelling, and level is {self.level}; leave spelling out")

    def lexicon(self) -> Lexicon:
        return Lexicon(self.vocabulary.tokens[3:], 3, self.vocabulary.level, self.vocabulary.normal)

    def fit(self, values: Iterable[str]) -> None:
        if self.taken:
            return
        cutter = self.cutter() if self.cutter is not None else None
        if cutter is not None and self.level not in (None, "words"):
            raise SettingError(f"level is {self.level}, and cutter and stop_words are of words; leave them out")
        if cutter is not None:
            self.level = "words"
        if self.level is None:
            values = iter(values)
            sample = list(itertools.islice(values, 1000))
            self.level, values = natural_level(sample), itertools.chain(sample, values)
        minimum = self.min_count or (2 if self.level == "words" else 1)
        characters = 0

        def counted() -> Iterator[str]:
            nonlocal characters
            for value in values:
                characters += len(value)
                yield value

        self.vocabulary = build(counted(), self.level, size=self.size, min_count=minimum, cutter=cutter)
        if self.spelling is None:
            self.spelling = self.level == "words" and characters <= SPELT and _has_letters(self.vocabulary)
        elif self.spelling and self.level != "words":
            raise SettingError(f"only words have a spelling, and level is {self.level}; leave spelling out")
        if len(self.vocabulary) <= 3 and minimum > 1:
            raise DataError(f"no word occurs {minimum} times; train on more rows, or with --set level=characters")

    def encode(self, values: Sequence[str]) -> list[np.ndarray]:
        return self.vocabulary.encode_spelt(values) if self.spelling else self.vocabulary.encode_batch(values)

    def stream(self) -> TokenStream:
        return self.vocabulary.stream(spelt=bool(self.spelling))

    def nothing(self) -> np.ndarray:
        return np.zeros((0, 1 + PIECES) if self.spelling else 0, np.int32)

    def save(self, folder: Path) -> None:
        self.vocabulary.save(folder, self.name)

    def load(self, folder: Path) -> None:
        self.vocabulary = Vocabulary.load(folder, self.name)
        self.level = self.vocabulary.level

    def describe(self) -> list[str]:
        spelt = " and the spelling of each" if self.spelling else ""
        cut = self.vocabulary.cutter or ""
        return [f"{self.name}: {len(self.vocabulary):,} {self.level}{spelt}{cut}"]

    def whole(self) -> str | None:
        cutter = self.vocabulary.cutter
        return None if cutter is None else cutter.whole


def _has_letters(vocabulary: Vocabulary) -> bool:
    """Whether its words are made of letters: one of Chinese characters has nothing to spell."""
    words = vocabulary.tokens[3:]
    return sum(map(len, words)) >= 2 * len(words)


def natural_level(sample: Sequence[str]) -> Level:
    """Words, unless most texts are a single short one, as names are."""
    single = sum(len(text.split()) <= 1 and len(text) <= 40 for text in sample)
    return "characters" if single > len(sample) / 2 else "words"


class Label(Field):
    """One of the classes, in the order of their names."""

    kind = "int64"

    def __init__(self, name: str, asked: str | None) -> None:
        super().__init__(name, asked)
        self.classes: list[str] = []
        self.counts: dict[str, int] = {}

    def find(self, source: Source, taken: Sequence[str]) -> str:
        return columns.find_label(source, self.asked, exclude=taken)

    def check(self, value: Any) -> str | None:
        return None if value is not None and str(value).strip() else "is empty"

    def fit(self, values: Iterable[Any]) -> None:
        for value in values:
            label = str(value).strip()
            self.counts[label] = self.counts.get(label, 0) + 1
            if len(self.counts) > 10_000:
                raise DataError(
                    f"more than 10,000 classes in {self.name}: is that the right column? --label names another"
                )
        self.classes = sorted(self.counts)
        if len(self.classes) == 1:
            raise DataError(f"all rows have the one class {self.classes[0]!r}; to classify there must be two or more")

    def encode(self, values: Sequence[Any]) -> list[int]:
        index = {label: i for i, label in enumerate(self.classes)}
        found = [index.get(str(value).strip(), -1) for value in values]
        if -1 in found:
            unknown = str(values[found.index(-1)]).strip()
            raise DataError(
                f"class {unknown!r} was not in the training data; {near(unknown, self.classes)} "
                f"Leave such rows out, or train with them",
                row=found.index(-1) + 1,
            )
        return found

    def save(self, folder: Path) -> None:
        write_json(folder / f"{self.name}.json", {"classes": self.classes, "counts": self.counts})

    def load(self, folder: Path) -> None:
        saved = read_json(folder / f"{self.name}.json")
        self.classes, self.counts = list(saved["classes"]), dict(saved["counts"])

    def describe(self) -> list[str]:
        total = sum(self.counts.values())
        largest = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        shown = ", ".join(f"{label} {count / total:.0%}" for label, count in largest[:5])
        lines = [f"{len(self.classes)} classes: {shown}{', ...' if len(largest) > 5 else ''}"]
        single = [label for label, count in largest if count == 1]
        if single:
            named = ", ".join(map(repr, single[:3])) + (", ..." if len(single) > 3 else "")
            lines.append(
                f"warning: only one row of class {named}: too few to learn it or to check it; add rows or drop it"
            )
        return lines


class Number(Field):
    """A number, standardised with the mean and spread of all rows."""

    kind = "float32"

    def __init__(self, name: str, asked: str | None) -> None:
        super().__init__(name, asked)
        self.mean, self.std = 0.0, 1.0

    def find(self, source: Source, taken: Sequence[str]) -> str:
        return columns.find_number(source, self.asked, exclude=taken)

    def check(self, value: Any) -> str | None:
        try:
            return None if math.isfinite(float(value)) else f"is {value!r}, not a finite number"
        except (TypeError, ValueError):
            return f"is {str(value)[:40]!r}, not a number"

    def fit(self, values: Iterable[Any]) -> None:
        count, mean, spread = 0, 0.0, 0.0  # Welford 1962: one pass, no loss of digits
        for value in map(float, values):
            count += 1
            delta = value - mean
            mean += delta / count
            spread += delta * (value - mean)
        if spread == 0.0:
            raise DataError(f"every row has the same {self.name}, {mean:g}: there is nothing to learn")
        self.mean, self.std = mean, math.sqrt(spread / count)

    def encode(self, values: Sequence[Any]) -> list[float]:
        return [(float(value) - self.mean) / self.std for value in values]

    def save(self, folder: Path) -> None:
        write_json(folder / f"{self.name}.json", {"mean": self.mean, "std": self.std})

    def load(self, folder: Path) -> None:
        saved = read_json(folder / f"{self.name}.json")
        self.mean, self.std = float(saved["mean"]), float(saved["std"])

    def describe(self) -> list[str]:
        return [f"{self.name}: mean {self.mean:.4g}, standard deviation {self.std:.4g}"]


class Series(Field):
    """Numbers over time: a JSON list of numbers or of equally long lists, or numbers with blanks between them.

    Each of the `width` features is standardised with its mean and spread over all steps of all rows. `width` None: as
    many as the first row has.
    """

    sequence = True

    def __init__(self, name: str, asked: str | None, width: int | None = None) -> None:
        super().__init__(name, asked)
        self.width = width
        self.mean = self.std = np.ones(0)

    @property
    def kind(self) -> str:
        return f"ragged:float32:{self.width}"

    def find(self, source: Source, taken: Sequence[str]) -> str:
        wanted = self.asked or self.name
        if wanted not in source.columns:
            raise DataError(f"no column {wanted!r}; {near(wanted, source.columns)}", file=source.path)
        if self.width is None:
            first = source.look()[0].values.get(wanted)
            try:
                self.width = self.numbers(first).shape[1]
            except (TypeError, ValueError, IndexError):
                self.width = 1  # the check of the row will say what is wrong with it
        return wanted

    def numbers(self, value: Any) -> np.ndarray:
        """(T, width); raises ValueError when it is not that."""
        if isinstance(value, str):
            value = json.loads(value) if value.strip().startswith("[") else [float(word) for word in value.split()]
        array = np.asarray(value, dtype=np.float64)
        return array.reshape(-1, 1) if array.ndim == 1 and self.width in (None, 1) else array

    def check(self, value: Any) -> str | None:
        try:
            array = self.numbers(value)
        except (TypeError, ValueError):
            return f"is {str(value)[:40]!r}, not a list of numbers"
        if array.ndim != 2 or array.shape[1] != self.width:
            return f"has the shape {array.shape}, wanted (steps, {self.width})"
        if not len(array):
            return "is empty"
        return None if np.isfinite(array).all() else "has a number that is not finite"

    def fit(self, values: Iterable[Any]) -> None:
        assert self.width is not None  # find() has filled it
        count, total, squares = 0, np.zeros(self.width), np.zeros(self.width)
        origin = np.zeros(self.width)
        for array in map(self.numbers, values):
            if not count:
                origin = array[0]  # sums from here lose no digits, however far the numbers are from zero
            moved = array - origin
            count, total, squares = count + len(array), total + moved.sum(0), squares + (moved**2).sum(0)
        mean = total / max(count, 1)
        spread = np.sqrt(np.maximum(squares / max(count, 1) - mean**2, 0))
        self.mean, self.std = origin + mean, np.where(spread > 0, spread, 1.0)

    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        return [((self.numbers(value) - self.mean) / self.std).astype(np.float32) for value in values]

    def stream(self) -> TokenStream:
        return _SeriesStream(self)

    def nothing(self) -> np.ndarray:
        return np.zeros((0, self.width or 1), np.float32)

    def save(self, folder: Path) -> None:
        saved = {"width": self.width, "mean": self.mean.tolist(), "std": self.std.tolist()}
        write_json(folder / f"{self.name}.json", saved)

    def load(self, folder: Path) -> None:
        saved = read_json(folder / f"{self.name}.json")
        if self.width not in (None, saved["width"]):
            raise RunError(
                f"{folder}: {self.name} was trained with {saved['width']} features, the task has {self.width}"
            )
        self.width = int(saved["width"])
        self.mean, self.std = np.array(saved["mean"]), np.array(saved["std"])

    def describe(self) -> list[str]:
        return [f"{self.name}: {self.width} number{'s' if self.width != 1 else ''} a step"]


class _SeriesStream:
    """Every step is certain at once."""

    def __init__(self, field: Series) -> None:
        self.field = field

    def push(self, piece: Any) -> Any:
        if isinstance(piece, list) and not piece:
            return []
        if said := self.field.unusable(piece):
            raise CallError(f"{self.field.name} {said}")
        return self.field.encode([piece])[0]

    def flush(self) -> Any:
        return []
