"""Images as arrays (H, W, C) of bytes, C 1 (grey) or 3 (red, green, blue): from files, by Pillow, or from arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from recurra.data.sources.rows import Row
from recurra.errors import DataError

Array = np.ndarray[Any, Any]


def pillow() -> Any:
    """Pillow's module Image. DataError with the line that installs it."""
    try:
        from PIL import Image
    except ImportError:
        raise DataError("image files need the library Pillow: pip install 'recurra[images]'") from None
    return Image


def read_image(value: Any) -> Array:
    """(H, W, C) of a path or of numbers from 0 to 255, (H, W) or (H, W, C). ValueError says what is wrong with it."""
    if isinstance(value, str | Path):
        return _read_file(Path(value))
    array = np.asarray(value)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3) or 0 in array.shape:
        raise ValueError(f"has the shape {np.shape(value)}, wanted (rows, columns) or (rows, columns, 3)")
    if array.dtype != np.uint8:
        numbers = array.astype(np.float64) if array.dtype.kind in "iufb" else None
        if numbers is None or not np.isfinite(numbers).all() or numbers.min() < 0 or numbers.max() > 255:
            raise ValueError("has numbers that are not from 0 to 255")
        array = numbers.round().astype(np.uint8)
    return array


def _read_file(path: Path) -> Array:
    if path.suffix.lower() == ".npy":
        return read_image(read_npy(path))
    if not path.exists():
        raise ValueError(f"names the file {path}, which is not there")
    try:
        with pillow().open(path) as image:
            grey = image.mode in ("1", "L", "LA", "I", "F") or image.mode.startswith("I;")
            array = np.asarray(image.convert("L" if grey else "RGB"))
    except DataError:
        raise
    except Exception as error:  # Pillow raises a dozen kinds for a damaged file
        reason = str(error) if not isinstance(error, OSError) or error.errno is None else error.strerror
        raise ValueError(f"names {path.name}, which is no whole image ({reason})") from None
    return array[..., None] if array.ndim == 2 else array


def read_npy(path: Path) -> Array:
    """The array of a `.npy` file. ValueError says what is wrong with it."""
    if not path.exists():
        raise ValueError(f"names the file {path}, which is not there")
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"names {path.name}, which is no array ({error})") from None


def with_channels(image: Array, channels: int) -> Array:
    """Grey made of colours (0.299 R + 0.587 G + 0.114 B), or three alike of grey."""
    if image.shape[2] == channels:
        return image
    if channels == 3:
        return np.repeat(image, 3, axis=2)
    grey: Array = (image @ np.array([0.299, 0.587, 0.114])).round().astype(np.uint8)[..., None]
    return grey


def resized(image: Array, height: int, width: int) -> Array:
    """The image so large, by Pillow's bilinear filter; its sides may be stretched."""
    if image.shape[:2] == (height, width):
        return image
    whole = pillow().fromarray(image[..., 0] if image.shape[2] == 1 else image)
    array = np.asarray(whole.resize((width, height), pillow().Resampling.BILINEAR))
    return array[..., None] if array.ndim == 2 else array


def beside(row: Row, column: str) -> Any:
    """What a row has in its column; a name of a file as a path, from where the table or the folder of the row lies."""
    value = row.values.get(column)
    if not isinstance(value, str) or not value.strip():
        return value
    folder = row.file if row.file.is_dir() else row.file.parent
    return str(folder / Path(value.strip()).expanduser())
