"""The fields of captions. An image may have one caption or several: in a cell as a list, or in as many rows of the table.

Each caption is an example to train on, while metrics judge the answer to an image once, against all its captions. So each
example keeps a number that identifies the content of its image, not its name; the split goes by the same content.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np

from ...data.sources.columns import by_name
from ...data.sources.rows import Row
from ...data.sources.sources import Source
from ...data.store.split import digest
from ...data.words.pretokenize import han_share
from ...data.words.vocabulary import Tokenization, Vocabulary, build
from ...errors import DataError
from ...fields.base import Field

CAPTION_NAMES = (
    *("text", "caption", "captions", "description", "sentence", "label", "target"),
    *("描述", "文本", "标题"),
)
SAMPLE = 1000  # captions that the tokenization is chosen from


def captions_of(value: Any) -> list[Any]:
    """The captions in a cell: those of a list, or of an array of texts; else the one that it is."""
    return list(value) if isinstance(value, (list, tuple, np.ndarray)) else [value]


@final
class Captions(Field):
    """The captions of an image, as tokens. `check` takes a whole cell; what is fitted and encoded is one caption.

    tokenization      what a token is; None: characters where most captions are Chinese, else words
    size       most frequent tokens kept
    min_count  rarer tokens are unknown; None: 2 of words, else 1
    """

    sequence = True
    storage = "ragged:int32"

    def __init__(
        self, name: str, column: str | None, tokenization: Tokenization | None, size: int, min_count: int | None
    ) -> None:
        super().__init__(name, column)
        self.size, self.min_count = size, min_count
        self._level = tokenization
        self.vocabulary: Vocabulary

    @property
    def tokenization(self) -> Tokenization:
        """What a token is. Known once the field was fitted or loaded."""
        return self._level or "words"

    def find(self, source: Source, taken: Sequence[str]) -> str:
        if self.column is not None:
            return source.need(self.column)
        free = [column for column in source.columns if column not in taken]
        columns = by_name(free)
        known = next((columns[name] for name in CAPTION_NAMES if name in columns), None)
        if known is None and len(free) == 1:
            known = free[0]
        if known is None:
            there = ", ".join(source.columns[:20])
            raise DataError(f"which column is the text? name it with --text (there are {there})", file=source.path)
        return known

    def check(self, value: Any) -> str | None:
        captions = captions_of(value)
        if not captions:
            return "is an empty list, and each image wants a caption"
        for number, caption in enumerate(captions, 1):
            if problem := _caption_problem(caption):
                return problem if caption is value else f"has {len(captions)} captions, and number {number} {problem}"
        return None

    def fit(self, values: Iterable[Any]) -> None:
        captions = list(values)
        if self._level is None:
            self._level = "characters" if han_share(captions[:SAMPLE]) > 0.5 else "words"
        minimum = self.min_count or (2 if self.tokenization == "words" else 1)
        self.vocabulary = build(captions, self.tokenization, size=self.size, min_count=minimum, lowercase=False)
        if len(self.vocabulary) <= 3:
            raise DataError(f"no {self.tokenization} of the {self.name} occur {minimum} times; train on more rows")

    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        return list(self.vocabulary.encode_batch(values))

    def save(self, folder: Path) -> None:
        self.vocabulary.save(folder, self.name)

    def load(self, folder: Path) -> None:
        self.vocabulary = Vocabulary.load(folder, self.name)
        self._level = self.vocabulary.tokenization

    def describe(self) -> list[str]:
        return [f"{self.name}: {len(self.vocabulary):,} {self.tokenization}"]


def _caption_problem(caption: Any) -> str | None:
    if caption is None or (isinstance(caption, str) and not caption.strip()):
        return "is empty"
    return None if isinstance(caption, str) else f"is {caption!r:.40}, not text"


@final
class ImageId(Field):
    """Which image a caption describes: a number of 63 bits, the same for the same content of the field `image`."""

    storage = "int64"
    is_fitted = False

    def __init__(self, name: str, image: Field) -> None:
        super().__init__(name)
        self.image = image

    def find(self, source: Source, taken: Sequence[str]) -> str:
        """The column of the image, though it is taken by then."""
        return self.image.find(source, ())

    def value(self, row: Row, column: str) -> Any:
        return self.image.value(row, column)

    def check(self, value: Any) -> str | None:
        return None  # the image's own field has checked it

    def fit(self, values: Iterable[Any]) -> None:
        """Nothing to learn."""

    def encode(self, values: Sequence[Any]) -> list[int]:
        return [digest(self.image.key(value)) >> 1 for value in values]

    def save(self, folder: Path) -> None:
        """Nothing to write."""

    def load(self, folder: Path) -> None:
        """Nothing to read."""


def rows_of_images(image_ids: np.ndarray) -> list[np.ndarray]:
    """The rows of each image, in the order of their first rows, from the `ImageId` of all rows (N,)."""
    _, first, image_of_row = np.unique(image_ids, return_index=True, return_inverse=True)
    together = np.split(np.argsort(image_of_row, kind="stable"), np.cumsum(np.bincount(image_of_row))[:-1])
    return [together[image] for image in np.argsort(first)]
