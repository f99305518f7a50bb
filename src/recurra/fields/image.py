"""The field of images, which are read row by row: each row of pixels is a time step of columns * channels numbers.

An image is an array of bytes (idx, .npz), a list of rows, or the name of a file relative to the table that contains it. All
images of a run have one size and one number of channels: those of the first image, unless the settings specify others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
from pydantic import field_validator

from ..data.media.images import convert_channels, read_image, resize
from ..data.media.paths import located_input, resolve_path, without_caption_number
from ..data.sources.folders import media_column
from ..data.sources.sources import Row, Source
from ..data.words.token_stream import TokenStream
from ..errors import CallError, DataError
from ..files import read_json, write_json
from ..settings import setting
from .base import Field
from .media import MediaData

NAMES = ("image", "picture", "photo", "file", "filename", "path", "图像", "图片")
IMAGE_HELP = "Column of images; detected by default."
SIZE_HELP = "Resize images to rows x columns, as 28x28."
GRAYSCALE_HELP = "Convert images to grayscale, or with --no-grayscale to RGB."


class ImageSettings(MediaData):
    """The column of the images, and the form that they are converted to."""

    image: str | None = setting(None, description=IMAGE_HELP)
    image_size: str | None = setting(None, description=SIZE_HELP)
    grayscale: bool | None = setting(None, description=GRAYSCALE_HELP, advanced=True)

    @field_validator("image_size")
    @classmethod
    def _check_size(cls, value: str | None) -> str | None:
        if value is not None:
            parse_size(value)
        return value


def parse_size(text: str) -> tuple[int, int]:
    """Parse a size: `28x28` gives (28, 28). Raises ValueError for any other form."""
    sides = text.lower().replace(" ", "").split("x")
    if len(sides) != 2 or not all(side.isdecimal() and int(side) > 0 for side in sides):
        raise ValueError("expected rows x columns, for example 28x28")
    return int(sides[0]), int(sides[1])


@final
class Image(Field):
    """Images as sequences of rows of pixels.

    Args:
        name: name of the field.
        column: column that the user named, or None.
        size: size to which images are resized, as `28x28`; None: all images have the size of the first.
        grayscale: whether images are converted to grayscale; None: as the first image.
        root: folder that file names are relative to; None: that of the table.
    """

    sequence = True
    names_files = True

    def __init__(
        self,
        name: str,
        column: str | None,
        size: str | None = None,
        grayscale: bool | None = None,
        root: str | None = None,
    ) -> None:
        super().__init__(name, column)
        self.root = root
        self.size, self.grayscale = None if size is None else parse_size(size), grayscale
        self._shape: tuple[int, int, int] | None = None
        self.mean, self.std = 0.0, 1.0
        self._checked_files: dict[tuple[str, int, int], str | None] = {}

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of every encoded image. It is available after `find` or `load`."""
        return self._shape or (1, 1, 1)

    # finding -------------------------------------------------------------------------------------------------------
    def find(self, source: Source, taken: Sequence[str]) -> str:
        """Return the column of images, and determine their shape. Raises DataError if there is none."""
        column = source.need(self.column) if self.column else image_column(source, taken)
        if column is None:
            columns = ", ".join(source.columns[:20])
            raise DataError(f"no image column was found; set it with --image (columns: {columns})", file=source.path)
        if self._shape is None:
            self._shape = self._first_shape(self.value(row, column) for row in source.first_rows())
        return column

    def _first_shape(self, values: Iterable[Any]) -> tuple[int, int, int]:
        """The shape of the first image that can be read, adjusted to the settings."""
        first = None
        for value in values:
            try:
                first = read_image(value)
                break
            except ValueError:  # reported with its row when the rows are read
                continue
        height, width, channels = (1, 1, 1) if first is None else first.shape
        if self.size is not None:
            height, width = self.size
        if self.grayscale is not None:
            channels = 1 if self.grayscale else 3
        return height, width, channels

    # values --------------------------------------------------------------------------------------------------------
    def value(self, row: Row, column: str) -> Any:
        """Return the value of a row. File names are relative to the table."""
        return resolve_path(row, column, self.root)

    def key(self, value: Any) -> str:
        """Return a hash of the content: the same image under two names has one key."""
        try:
            content = Path(value).read_bytes() if isinstance(value, str) else np.ascontiguousarray(value).tobytes()
        except OSError:
            return str(value)
        return hashlib.blake2b(content, digest_size=16).hexdigest()

    def check(self, value: Any) -> str | None:
        """Return a description of the problem of a value, or None."""
        try:
            state = Path(value).stat() if isinstance(value, str) else None
        except (OSError, ValueError):  # there is no such file, or the value is not a valid name
            state = None
        if state is None:
            return self._problem(value)
        file = (value, state.st_mtime_ns, state.st_size)
        if file not in self._checked_files:  # a file is opened once for the check, even if several rows contain it
            self._checked_files[file] = self._problem(value)
        return self._checked_files[file]

    def normalize_input(self, example: Any) -> Any:
        """Return the value of an input of `predict`; the name of a file is relative to `root`."""
        return located_input(example, self.root)

    def is_single_input(self, file: str) -> bool:
        """Whether a file given to `predict` is a single input."""
        return media_column(file) == "image"

    def _problem(self, value: Any) -> str | None:
        """A description of the problem of a value, or None."""
        if value is None or (isinstance(value, str) and not value.strip()):
            return "is empty"
        try:
            image = read_image(value)
        except ValueError as error:
            return str(error)
        height, width = self.shape[:2]
        if self.size is None and image.shape[:2] != (height, width):
            actual, expected = f"{image.shape[0]}x{image.shape[1]}", f"{height}x{width}"
            name = f" ({value})" if isinstance(value, str) else ""  # the row of a folder does not identify the file
            return f"is an image of {actual} pixels, others are {expected}; --image-size {expected} resizes all{name}"
        return None

    def images(self, values: Iterable[Any]) -> Iterator[np.ndarray]:
        """Yield each image as bytes (H, W, C) of the run's shape. The same image in consecutive rows is read once."""
        height, width, channels = self.shape
        previous: Any = None
        for value in values:
            is_same_file = isinstance(value, str) and isinstance(previous, str) and value == previous
            if value is not previous and not is_same_file:
                image, previous = resize(convert_channels(read_image(value), channels), height, width), value
            yield image

    def fit(self, values: Iterable[Any]) -> None:
        """Compute mean and standard deviation of all bytes."""
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
        """The format of encoded values in the store."""
        return f"ragged:uint8:{self.width}"

    @property
    def width(self) -> int:
        """The number of values of a row of pixels: columns * channels."""
        return self.shape[1] * self.shape[2]

    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        """Return the rows of pixels (H, W*C) of each image, as bytes."""
        # copies, because torch requires writable arrays
        return [np.array(image.reshape(-1, self.width)) for image in self.images(values)]

    def stream(self) -> TokenStream:
        """Return a converter of rows of pixels that arrive in chunks."""
        return _PixelRowStream(self)

    def empty(self) -> np.ndarray:
        """Return an encoded sequence of length 0."""
        return np.zeros((0, self.width), np.uint8)

    # the run folder ------------------------------------------------------------------------------------------------
    def save(self, folder: Path) -> None:
        """Write shape, mean and standard deviation to the folder of the run."""
        write_json(folder / f"{self.name}.json", {"shape": list(self.shape), "mean": self.mean, "std": self.std})

    def load(self, folder: Path) -> None:
        """Read shape, mean and standard deviation from the folder of the run."""
        saved = read_json(folder / f"{self.name}.json")
        height, width, channels = (int(size) for size in saved["shape"])
        self._shape, self.mean, self.std = (height, width, channels), float(saved["mean"]), float(saved["std"])

    def describe(self) -> list[str]:
        """Return the lines that training prints about the field."""
        height, width, channels = self.shape
        return [f"{self.name}: {height} rows of {width} pixels, {'grayscale' if channels == 1 else 'RGB'}"]


class _PixelRowStream:
    """Rows of pixels of a stream: (W,), (t, W) or (t, W, C) numbers from 0 to 255. Each row is encoded at once."""

    def __init__(self, field: Image) -> None:
        self.field = field

    def push(self, piece: Any) -> Any:
        """Return the rows (t, W*C) as bytes. Raises CallError."""
        rows = np.asarray(piece)
        if not rows.size:
            return []
        if rows.size % self.field.width or rows.dtype.kind not in "iufb" or rows.min() < 0 or rows.max() > 255:
            raise CallError(f"{self.field.name}: expected rows of {self.field.width} numbers from 0 to 255")
        return rows.reshape(-1, self.field.width).astype(np.uint8)

    def flush(self) -> Any:
        """Return the remaining rows; there are none."""
        return []


def image_column(source: Source, taken: Sequence[str]) -> str | None:
    """Return a column of images or of names of image files; columns with a usual name are tried first."""
    free = [column for column in source.columns if column not in taken]
    for column in sorted(free, key=lambda column: column.strip().lower() not in NAMES):
        values = [value for row in source.first_rows()[:50] if (value := row.values.get(column)) is not None]
        if values and sum(map(_is_image, values)) > len(values) / 2:
            return column
    return None


def _is_image(value: Any) -> bool:
    if isinstance(value, str):
        return media_column(without_caption_number(value).strip()) == "image"
    return isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim in (2, 3)
