"""Images as arrays (H, W, C) of bytes, where C is 1 (grayscale) or 3 (RGB). Files are read with Pillow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from recurra.errors import DataError

Array = np.ndarray[Any, Any]


def pillow() -> Any:
    """Return the module Image of Pillow. Raises DataError with the command that installs it."""
    try:
        from PIL import Image
    except ImportError:
        raise DataError("image files need the library Pillow: pip install 'recurra[images]'") from None
    return Image


def read_image(value: Any) -> Array:
    """Read an image.

    Args:
        value: a path, or numbers from 0 to 255 of the shape (H, W) or (H, W, C).

    Returns:
        The bytes, (H, W, C).

    Raises:
        ValueError: if the value is not an image; the message is the predicate of a sentence ("has the shape ...").
    """
    if isinstance(value, str | Path):
        return _read_file(Path(value))
    array = np.asarray(value)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3) or 0 in array.shape:
        raise ValueError(f"has the shape {np.shape(value)}, expected (rows, columns) or (rows, columns, 3)")
    if array.dtype != np.uint8:
        numbers = array.astype(np.float64) if array.dtype.kind in "iufb" else None
        if numbers is None or not np.isfinite(numbers).all() or numbers.min() < 0 or numbers.max() > 255:
            raise ValueError("has numbers that are not from 0 to 255")
        array = numbers.round().astype(np.uint8)
    return array


def _read_file(path: Path) -> Array:
    """Return the bytes (H, W, C) of an image file or of a `.npy` file. Raises ValueError."""
    if path.suffix.lower() == ".npy":
        return read_image(read_npy(path))
    if not path.exists():
        raise ValueError(f"names the file {path}, which does not exist")
    try:
        with pillow().open(path) as image:
            grayscale = image.mode in ("1", "L", "LA", "I", "F") or image.mode.startswith("I;")
            array = np.asarray(image.convert("L" if grayscale else "RGB"))
    except DataError:
        raise
    except Exception as error:  # Pillow raises many types of exceptions for a damaged file
        reason = str(error) if not isinstance(error, OSError) or error.errno is None else error.strerror
        raise ValueError(f"names {path.name}, which is not a complete image ({reason})") from None
    return array[..., None] if array.ndim == 2 else array


def read_npy(path: Path) -> Array:
    """Return the array of a `.npy` file. Raises ValueError if there is no such file or it is not an array."""
    if not path.exists():
        raise ValueError(f"names the file {path}, which does not exist")
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"names {path.name}, which is not an array ({error})") from None


def convert_channels(image: Array, channels: int) -> Array:
    """Convert an image (H, W, C) to grayscale (0.299 R + 0.587 G + 0.114 B) or to three equal channels."""
    if image.shape[2] == channels:
        return image
    if channels == 3:
        return np.repeat(image, 3, axis=2)
    gray: Array = (image @ np.array([0.299, 0.587, 0.114])).round().astype(np.uint8)[..., None]
    return gray


def resize(image: Array, height: int, width: int) -> Array:
    """Resize an image (H, W, C) with Pillow's bilinear filter. The aspect ratio may change."""
    if image.shape[:2] == (height, width):
        return image
    original = pillow().fromarray(image[..., 0] if image.shape[2] == 1 else image)
    array = np.asarray(original.resize((width, height), pillow().Resampling.BILINEAR))
    return array[..., None] if array.ndim == 2 else array
