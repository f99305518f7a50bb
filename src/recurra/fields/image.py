"""The field of images, read row by row: each row of pixels is a step of columns * channels numbers.

An image is an array of bytes (idx, .npz), a list of rows, or the name of a file, which is looked for beside the table that
names it. All images of a run have one size and one number of channels, those of the first, unless the settings say others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
from pydantic import field_validator

from ..data.media.images import beside, read_image, resized, with_channels
from ..data.sources.folders import holds
from ..data.sources.sources import Row, Source
from ..data.words.tokenstream import TokenStream
from ..errors import CallError, DataError
from ..files import read_json, write_json
from ..settings import DataSettings, setting
from .base import Field

NAMES = ("image", "picture", "photo", "file", "filename", "path", "图像", "图片")


class ImageSettings(DataSettings):
    """Where the images are, and what they are made into."""

    image: str | None = setting(None, description="column of images or files; found by itself")
    image_size: str | None = setting(None, description="as 28x28: images are made that large")
    grayscale: bool | None = setting(None, description="without colours; as the first image is", advanced=True)

    @field_validator("image_size")
    @classmethod
    def _size(cls, value: str | None) -> str | None:
        if value is not None:
            size_of(value)
        return value


def size_of(text: str) -> tuple[int, int]:
    """`28x28` -> (28, 28); ValueError where it is not that."""
    sides = text.lower().replace(" ", "").split("x")
    if len(sides) != 2 or not all(side.isdecimal() and int(side) > 0 for side in sides):
        raise ValueError("wants rows x columns, as 28x28")
    return int(sides[0]), int(sides[1])


@final
class Image(Field):
    """See the module's docstring. `shape` (H, W, C) is that of every image once it is encoded."""

    sequence = True

    def __init__(self, name: str, column: str | None, size: str | None = None, grey: bool | None = None) -> None:
        super().__init__(name, column)
        self.size, self.grey = None if size is None else size_of(size), grey
        self._shape: tuple[int, int, int] | None = None
        self.mean, self.std = 0.0, 1.0
        self._verdicts: dict[tuple[str, int, int], str | None] = {}

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of every encoded image. Known once the field was found or loaded."""
        return self._shape or (1, 1, 1)

    # finding -------------------------------------------------------------------------------------------------------
    def find(self, source: Source, taken: Sequence[str]) -> str:
        column = source.need(self.column) if self.column else image_column(source, taken)
        if column is None:
            there = ", ".join(source.columns[:20])
            raise DataError(f"no column holds images; name it with --image (there are {there})", file=source.path)
        if self._shape is None:
            self._shape = self._first_shape(self.value(row, column) for row in source.look())
        return column

    def _first_shape(self, values: Iterable[Any]) -> tuple[int, int, int]:
        first = None
        for value in values:
            try:
                first = read_image(value)
                break
            except ValueError:  # told, with its row, when the rows are read
                continue
        height, width, channels = (1, 1, 1) if first is None else first.shape
        if self.size is not None:
            height, width = self.size
        if self.grey is not None:
            channels = 1 if self.grey else 3
        return height, width, channels

    # values --------------------------------------------------------------------------------------------------------
    def value(self, row: Row, column: str) -> Any:
        return beside(row, column)

    def key(self, value: Any) -> str:
        """By content: the same picture under two names is the same."""
        try:
            content = Path(value).read_bytes() if isinstance(value, str) else np.ascontiguousarray(value).tobytes()
        except OSError:
            return str(value)
        return hashlib.blake2b(content, digest_size=16).hexdigest()

    def check(self, value: Any) -> str | None:
        try:
            state = Path(value).stat() if isinstance(value, str) else None
        except (OSError, ValueError):  # no such file, or no name of one
            state = None
        if state is None:
            return self._wrong(value)
        file = (value, state.st_mtime_ns, state.st_size)
        if file not in self._verdicts:  # a file is opened once to be checked, however often its row is read
            self._verdicts[file] = self._wrong(value)
        return self._verdicts[file]

    def is_single_input(self, file: str) -> bool:
        return holds(file) == "image"

    def _wrong(self, value: Any) -> str | None:
        if value is None or (isinstance(value, str) and not value.strip()):
            return "is empty"
        try:
            image = read_image(value)
        except ValueError as error:
            return str(error)
        height, width = self.shape[:2]
        if self.size is None and image.shape[:2] != (height, width):
            came = f"{image.shape[0]}x{image.shape[1]}"
            name = (
                f" ({value})" if isinstance(value, str) else ""
            )  # of a folder the row alone tells nobody which file it is
            wanted = f"{height}x{width}"
            return f"is an image of {came} pixels, others are {wanted}; --image-size {wanted} resizes{name}"
        return None

    def images(self, values: Iterable[Any]) -> Iterator[np.ndarray]:
        """(H, W, C) bytes of each, of the run's shape. The same image in several rows on end is read once."""
        height, width, channels = self.shape
        before: Any = None
        for value in values:
            named_again = isinstance(value, str) and isinstance(before, str) and value == before
            if value is not before and not named_again:
                image, before = resized(with_channels(read_image(value), channels), height, width), value
            yield image

    def fit(self, values: Iterable[Any]) -> None:
        count, total, squares = 0, 0.0, 0.0
        for image in self.images(values):
            pixels = image.astype(np.float64)
            count, total, squares = count + pixels.size, total + pixels.sum(), squares + (pixels**2).sum()
        if not count:
            raise DataError("there are no images that can be read")
        self.mean = total / count
        self.std = max(squares / count - self.mean**2, 0.0) ** 0.5 or 1.0

    @property
    def storage(self) -> str:
        return f"ragged:uint8:{self.width}"

    @property
    def width(self) -> int:
        """Numbers of a row of pixels."""
        return self.shape[1] * self.shape[2]

    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        # torch wants to be able to write
        return [np.array(image.reshape(-1, self.width)) for image in self.images(values)]

    def stream(self) -> TokenStream:
        return _RowsOfPixels(self)

    def empty(self) -> np.ndarray:
        return np.zeros((0, self.width), np.uint8)

    # the run's folder ----------------------------------------------------------------------------------------------
    def save(self, folder: Path) -> None:
        write_json(folder / f"{self.name}.json", {"shape": list(self.shape), "mean": self.mean, "std": self.std})

    def load(self, folder: Path) -> None:
        saved = read_json(folder / f"{self.name}.json")
        height, width, channels = (int(size) for size in saved["shape"])
        self._shape, self.mean, self.std = (height, width, channels), float(saved["mean"]), float(saved["std"])

    def describe(self) -> list[str]:
        height, width, channels = self.shape
        return [f"{self.name}: {height} rows of {width} pixels, {'grayscale' if channels == 1 else 'in colours'}"]


class _RowsOfPixels:
    """Rows as they come: (W,), (t, W) or (t, W, C) numbers from 0 to 255; each is certain at once."""

    def __init__(self, field: Image) -> None:
        self.field = field

    def push(self, piece: Any) -> Any:
        rows = np.asarray(piece)
        if not rows.size:
            return []
        if rows.size % self.field.width or rows.dtype.kind not in "iufb" or rows.min() < 0 or rows.max() > 255:
            raise CallError(f"{self.field.name}: wanted rows of {self.field.width} numbers from 0 to 255")
        return rows.reshape(-1, self.field.width).astype(np.uint8)

    def flush(self) -> Any:
        return []


def image_column(source: Source, taken: Sequence[str]) -> str | None:
    """The column that holds images or the names of their files: one of a known name first."""
    free = [column for column in source.columns if column not in taken]
    for column in sorted(free, key=lambda column: column.strip().lower() not in NAMES):
        values = [value for row in source.look()[:50] if (value := row.values.get(column)) is not None]
        if values and sum(map(_is_image, values)) > len(values) / 2:
            return column
    return None


def _is_image(value: Any) -> bool:
    if isinstance(value, str):
        return holds(value.strip()) == "image"
    return isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim in (2, 3)
