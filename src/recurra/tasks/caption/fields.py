"""The fields of captions. An image may have several captions: as a list in one cell, or in several rows of the table.

Each caption is a training example, but metrics compare the generated text of an image once, with all its captions. Each
example therefore has an id of the content of its image, independent of the file name. The split uses the same content.
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
from ...data.words.pretokenize import han_fraction
from ...data.words.vocabulary import Tokenization, Vocabulary, build
from ...errors import DataError
from ...fields.base import Field

CAPTION_NAMES = (
    *("text", "caption", "captions", "description", "sentence", "label", "target"),
    *("描述", "文本", "标题"),
)
MAX_INSPECTED = 1000  # captions from which the tokenization is chosen


def captions_of(value: Any) -> list[Any]:
    """Return the captions of a cell: the elements of a list or of an array, else the cell itself as the only caption."""
    return list(value) if isinstance(value, (list, tuple, np.ndarray)) else [value]


@final
class Captions(Field):
    """The captions of an image as token ids. `check` takes a whole cell; `fit` and `encode` take single captions.

    Args:
        name: name of the field.
        column: column that the user named, or None.
        tokenization: the token unit; None: characters if most captions are Chinese, else words.
        size: maximal size of the vocabulary.
        min_count: tokens with fewer occurrences are replaced by the unknown token; None: 2 for words, else 1.
    """

    sequence = True
    storage = "ragged:int32"

    def __init__(
        self, name: str, column: str | None, tokenization: Tokenization | None, size: int, min_count: int | None
    ) -> None:
        super().__init__(name, column)
        self.size, self.min_count = size, min_count
        self._tokenization = tokenization
        self.vocabulary: Vocabulary

    @property
    def tokenization(self) -> Tokenization:
        """The token unit. It is available after `fit` or `load`."""
        return self._tokenization or "words"

    def find(self, source: Source, taken: Sequence[str]) -> str:
        """Return the column that the user named, else a detected column. Raises DataError if there is none."""
        if self.column is not None:
            return source.need(self.column)
        free = [column for column in source.columns if column not in taken]
        columns = by_name(free)
        column = next((columns[name] for name in CAPTION_NAMES if name in columns), None)
        if column is None and len(free) == 1:
            column = free[0]
        if column is None:
            names = ", ".join(source.columns[:20])
            raise DataError(
                f"no column looks like the captions; name it with --text (columns: {names})", file=source.path
            )
        return column

    def check(self, value: Any) -> str | None:
        """Return a description of the problem of a cell, or None."""
        captions = captions_of(value)
        if not captions:
            return "is an empty list; each image needs a caption"
        for number, caption in enumerate(captions, 1):
            if problem := _caption_problem(caption):
                return problem if caption is value else f"has {len(captions)} captions; number {number} {problem}"
        return None

    def fit(self, values: Iterable[Any]) -> None:
        """Choose the tokenization if it is open, and build the vocabulary."""
        captions = list(values)
        if self._tokenization is None:
            self._tokenization = "characters" if han_fraction(captions[:MAX_INSPECTED]) > 0.5 else "words"
        minimum = self.min_count or (2 if self.tokenization == "words" else 1)
        self.vocabulary = build(captions, self.tokenization, size=self.size, min_count=minimum, lowercase=False)
        if len(self.vocabulary) <= 3:
            raise DataError(f"no {self.tokenization} of the {self.name} occur {minimum} times; use more training data")

    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        """Return the token ids of each value."""
        return list(self.vocabulary.encode_batch(values))

    def save(self, folder: Path) -> None:
        """Write the vocabulary to the folder of the run."""
        self.vocabulary.save(folder, self.name)

    def load(self, folder: Path) -> None:
        """Read the vocabulary from the folder of the run."""
        self.vocabulary = Vocabulary.load(folder, self.name)
        self._tokenization = self.vocabulary.tokenization

    def describe(self) -> list[str]:
        """Return the lines that training prints about the field."""
        return [f"{self.name}: {len(self.vocabulary):,} {self.tokenization}"]


def _caption_problem(caption: Any) -> str | None:
    if caption is None or (isinstance(caption, str) and not caption.strip()):
        return "is empty"
    return None if isinstance(caption, str) else f"is {caption!r:.40}, not text"


@final
class ImageId(Field):
    """The id of the image that a caption describes: a hash of 63 bits of the content of the field `image`.

    Args:
        name: name of the field.
        image: the field of the image.
    """

    storage = "int64"
    is_fitted = False

    def __init__(self, name: str, image: Field) -> None:
        super().__init__(name)
        self.image = image

    def find(self, source: Source, taken: Sequence[str]) -> str:
        """Return the column of the image, although the field `image` already uses it."""
        return self.image.find(source, ())

    def value(self, row: Row, column: str) -> Any:
        """Return the image of a row."""
        return self.image.value(row, column)

    def check(self, value: Any) -> str | None:
        """Return None: the field of the image checks the value."""
        return None  # the field of the image has checked it

    def fit(self, values: Iterable[Any]) -> None:
        """Do nothing: the field has no parameters."""

    def encode(self, values: Sequence[Any]) -> list[int]:
        """Return the image id of each value."""
        return [digest(self.image.key(value)) >> 1 for value in values]

    def save(self, folder: Path) -> None:
        """Do nothing: the field has no parameters."""

    def load(self, folder: Path) -> None:
        """Do nothing: the field has no parameters."""


def rows_of_images(image_ids: np.ndarray) -> list[np.ndarray]:
    """Return the row indices of each image from the image ids (N,) of all rows, ordered by the first row of each image."""
    _, first, image_of_row = np.unique(image_ids, return_index=True, return_inverse=True)
    grouped = np.split(np.argsort(image_of_row, kind="stable"), np.cumsum(np.bincount(image_of_row))[:-1])
    return [grouped[image] for image in np.argsort(first)]
