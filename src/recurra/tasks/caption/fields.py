"""Captions of images: one or several an image, in a cell as a list, or in as many rows. Each is an example to train on.

What is told of an image is judged once, against all its captions. So each example keeps a number that is the same for all of
one image, taken from what the image shows and not from what it is called; the split goes by the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...data.report import DataReport
from ...data.sources.columns import by_name
from ...data.sources.rows import Row
from ...data.sources.sources import Source
from ...data.store.split import digest
from ...data.words.pretokenize import han_share
from ...errors import DataError
from ...fields.base import Field
from ...fields.paired_text import Side

CAPTION_NAMES = (
    *("text", "caption", "captions", "description", "sentence", "label", "target"),
    *("描述", "文本", "标题"),
)


def captions_of(value: Any) -> list[Any]:
    """The captions in a cell: those of a list, or of an array of texts; else the one that it is."""
    return list(value) if isinstance(value, (list, tuple, np.ndarray)) else [value]


class Captions(Side):
    """The captions of an image. `check` takes a whole cell; what is fitted and encoded is one caption."""

    def find(self, source: Source, taken: Sequence[str]) -> str:
        if self.asked is not None:
            return source.need(self.asked)
        free = [column for column in source.columns if column not in taken]
        called = by_name(free)
        named = next((called[name] for name in CAPTION_NAMES if name in called), None)
        if named is None and len(free) == 1:
            named = free[0]
        if named is None:
            there = ", ".join(source.columns[:20])
            raise DataError(f"which column is the text? name it with --text (there are {there})", file=source.path)
        return named

    def check(self, value: Any) -> str | None:
        captions = captions_of(value)
        if not captions:
            return "is an empty list, and each image wants a caption"
        for number, caption in enumerate(captions, 1):
            if said := super().check(caption):
                return said if caption is value else f"has {len(captions)} captions, and number {number} {said}"
        return None

    def fit(self, values: Iterable[Any]) -> None:
        values = list(values)
        if self.level is None:
            self.level = "characters" if han_share(values[:1000]) > 0.5 else "words"
        super().fit(values)


class Which(Field):
    """Which image a caption is about: a number of 63 bits, the same for the same image. `of` is the field of the image."""

    kind = "int64"
    is_fitted = False

    def __init__(self, name: str, of: Field) -> None:
        super().__init__(name)
        self.of = of

    def find(self, source: Source, taken: Sequence[str]) -> str:
        raise NotImplementedError(f"{self.name} is in the column of {self.of.name}")

    def value(self, row: Row, column: str) -> Any:
        return self.of.value(row, column)

    def check(self, value: Any) -> str | None:
        return None  # the image's own field has checked it

    def fit(self, values: Iterable[Any]) -> None: ...

    def encode(self, values: Sequence[Any]) -> list[int]:
        return [digest(self.of.key(value)) >> 1 for value in values]

    def save(self, folder: Path) -> None: ...

    def load(self, folder: Path) -> None: ...


def rows_of_images(which: np.ndarray) -> list[np.ndarray]:
    """The rows of each image, the images in the order of their first rows, from `Which` of all rows (N,)."""
    _, first, of = np.unique(which, return_index=True, return_inverse=True)
    together = np.split(np.argsort(of, kind="stable"), np.cumsum(np.bincount(of))[:-1])
    return [together[image] for image in np.argsort(first)]


@dataclass(frozen=True)
class CaptionReport(DataReport):
    """A report whose rows are captions. `images` are those that differ, `called` what they are."""

    images: int = 0
    called: str = "images"

    @classmethod
    def of(cls, report: DataReport, images: int, called: str) -> CaptionReport:
        return cls(report.rows, report.broken, report.broken_places, images=images, called=called)

    def lines(self) -> list[str]:
        return [f"{self.rows:,} captions of {self.images:,} {self.called}", *super().lines()[1:]]
