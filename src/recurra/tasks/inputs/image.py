"""Images as input, read row by row: each row of pixels is a step of columns * channels numbers.

An image is an array of bytes (idx, .npz), a list of rows, or the name of a file, which is looked for beside the table that
names it. All images of a run have one size and one number of channels, those of the first, unless the settings say others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field as Setting
from pydantic import field_validator
from torch import nn

from ...data.media.images import beside, read_image, resized, with_channels
from ...data.sources.folders import holds
from ...data.sources.sources import Row, Source
from ...data.words.tokenstream import TokenStream
from ...errors import CallError, DataError
from ...files import read_json, write_json
from ...models.encoder import EncoderModel
from ...models.image_augmentation import Pixels
from ...settings import ADDED, RARE, DataSettings, ModelSettings, Settings
from ..base import Reading
from ..shared.sequence_task import RowData
from .base import Input

NAMES = ("image", "picture", "photo", "file", "filename", "path", "图像", "图片")


class ImageSettings(DataSettings):
    """Where the images are, and what they are made into."""

    image: str | None = Setting(None, description="column of images or files; found by itself", json_schema_extra=ADDED)
    image_size: str | None = Setting(None, description="as 28x28: images are made that large", json_schema_extra=ADDED)
    grey: bool | None = Setting(
        None, description="without colours; as the first image is", json_schema_extra=RARE | ADDED
    )

    @field_validator("image_size")
    @classmethod
    def _size(cls, value: str | None) -> str | None:
        if value is not None:
            size_of(value)
        return value


class ImageData(ImageSettings, RowData):
    """Rows with an image."""


class ImageModel(EncoderModel):
    """An encoder of images."""

    shift: int | None = Setting(
        None, ge=0, description="pixels that images are moved by in training", json_schema_extra=RARE | ADDED
    )


def size_of(text: str) -> tuple[int, int]:
    """`28x28` -> (28, 28); ValueError where it is not that."""
    sides = text.lower().replace(" ", "").split("x")
    if len(sides) != 2 or not all(side.isdecimal() and int(side) > 0 for side in sides):
        raise ValueError("wants rows x columns, as 28x28")
    return int(sides[0]), int(sides[1])


class ImageInput(Input):
    """See the module's docstring. `shape` (H, W, C) is that of every image once it is encoded."""

    called = "image"
    Data: ClassVar[type[DataSettings]] = ImageData
    Model: ClassVar[type[ModelSettings]] = ImageModel

    def __init__(self, name: str, asked: str | None, size: str | None = None, grey: bool | None = None) -> None:
        super().__init__(name, asked)
        self.size, self.grey = None if size is None else size_of(size), grey
        self.shape: tuple[int, int, int] | None = None
        self.mean, self.std = 0.0, 1.0
        self._verdicts: dict[tuple[str, int, int], str | None] = {}

    @classmethod
    def made(cls, settings: Settings) -> ImageInput:
        data = settings.data
        assert isinstance(data, ImageData)
        return cls("image", data.image, data.image_size, data.grey)

    # finding -------------------------------------------------------------------------------------------------------
    @classmethod
    def suits(cls, source: Source, taken: Sequence[str]) -> str | None:
        column = _image_column(source, taken)
        return None if column is None else f"column {column!r} holds images"

    def find(self, source: Source, taken: Sequence[str]) -> str:
        column = source.need(self.asked) if self.asked else _image_column(source, taken)
        if column is None:
            there = ", ".join(source.columns[:20])
            raise DataError(f"no column holds images; name it with --image (there are {there})", file=source.path)
        if self.shape is None:
            self.shape = self._first_shape(self.value(row, column) for row in source.look())
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

    def is_one(self, file: str) -> bool:
        return holds(file) == "image"

    def _wrong(self, value: Any) -> str | None:
        if value is None or (isinstance(value, str) and not value.strip()):
            return "is empty"
        try:
            image = read_image(value)
        except ValueError as error:
            return str(error)
        assert self.shape is not None  # find() has filled it, or load()
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
        assert self.shape is not None
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
    def kind(self) -> str:
        return f"ragged:uint8:{self.width}"

    @property
    def width(self) -> int:
        """Numbers of a row of pixels."""
        assert self.shape is not None
        return self.shape[1] * self.shape[2]

    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        # torch wants to be able to write
        return [np.array(image.reshape(-1, self.width)) for image in self.images(values)]

    def stream(self) -> TokenStream:
        return _RowsOfPixels(self)

    def nothing(self) -> np.ndarray:
        return np.zeros((0, self.width), np.uint8)

    # the run's folder ----------------------------------------------------------------------------------------------
    def save(self, folder: Path) -> None:
        assert self.shape is not None
        write_json(folder / f"{self.name}.json", {"shape": list(self.shape), "mean": self.mean, "std": self.std})

    def load(self, folder: Path) -> None:
        saved = read_json(folder / f"{self.name}.json")
        height, width, channels = (int(size) for size in saved["shape"])
        self.shape, self.mean, self.std = (height, width, channels), float(saved["mean"]), float(saved["std"])

    def describe(self) -> list[str]:
        assert self.shape is not None
        height, width, channels = self.shape
        return [f"{self.name}: {height} rows of {width} pixels, {'grey' if channels == 1 else 'in colours'}"]

    # network -------------------------------------------------------------------------------------------------------
    def front(self, model: ModelSettings) -> tuple[nn.Module, int]:
        assert self.shape is not None and isinstance(model, ImageModel)
        return Pixels(self.shape, self.mean, self.std, model.shift or 0), self.width

    def choose(self, settings: Settings, reading: Reading) -> Settings:
        """Pictures bear more passes than texts: moved a little, they are others each time."""
        assert self.shape is not None
        model = {
            "hidden_size": 128,
            "num_layers": 2,
            "dropout": 0.2,
            "input_dropout": 0.0,
            "pooling": "mean_max",
            "members": 1,
            "adversarial": 0.0,
            "shift": min(min(self.shape[:2]) // 20, 4),
        }
        batch = 64 if reading.rows >= 5_000 else 32
        epochs = min(max(1_000_000 / max(reading.rows, 1), 10.0), 60.0)
        training = {"batch_size": batch, "learning_rate": 2e-3, "epochs": epochs, "averaging": 0.998, "patience": 10}
        return settings.with_open(model=model, training=training)


class _RowsOfPixels:
    """Rows as they come: (W,), (t, W) or (t, W, C) numbers from 0 to 255; each is certain at once."""

    def __init__(self, field: ImageInput) -> None:
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


def _image_column(source: Source, taken: Sequence[str]) -> str | None:
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
