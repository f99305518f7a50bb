"""idx files, as MNIST comes: one of images, (N, H, W) or (N, H, W, C) bytes, and beside it what each image is.

The other file is found by its name: `train-images-idx3-ubyte.gz` goes with `train-labels-idx1-ubyte.gz`, or with a text
file of as many lines, `train-captions.txt`; `.` in the place of `-`, and with or without `.gz`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from recurra.data.sources.files import open_binary, open_lines, reading, wrong_characters
from recurra.data.sources.rows import Row, Source
from recurra.errors import DataError

_NAME = re.compile(r"[-.]idx(\d)(-ubyte)?(\.gz)?$", re.IGNORECASE)
_DTYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def is_idx(path: Path) -> bool:
    """Whether the name is that of an idx file."""
    return bool(_NAME.search(path.name))


def idx_files(folder: Path) -> list[Path]:
    """The idx files of images directly in a folder."""
    return [path for path in sorted(folder.iterdir()) if (found := _NAME.search(path.name)) and int(found[1]) >= 3]


def read_idx(path: Path) -> np.ndarray[Any, Any]:
    """The array. Raises DataError where the file is damaged or no idx file."""
    with reading(path), open_binary(path) as stream:
        data = stream.read()
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _DTYPES:
        raise DataError("is not an idx file: it does not begin as one", file=path)
    dtype, axes = np.dtype(_DTYPES[data[2]]), data[3]
    begin = 4 + 4 * axes
    shape = tuple(int(size) for size in np.frombuffer(data[4:begin], ">u4"))
    wanted = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if len(shape) != axes or len(data) - begin != wanted:
        said = f"says it has {' x '.join(map(str, shape))} numbers, {wanted:,} bytes, and has {len(data) - begin:,}"
        raise DataError(f"is damaged: it {said}", file=path)
    return np.frombuffer(data, dtype, offset=begin).reshape(shape)


class IdxImages(Source):
    """Columns `image`, and `label` or `text` where the file of these is there."""

    format = "idx"

    def __init__(self, path: Path, name: str, *, encoding: str = "utf-8", skip_broken: bool = False) -> None:
        if path.is_dir():
            files = idx_files(path)
            if len(files) != 1:
                there = ", ".join(file.name for file in files)
                raise DataError(f"there are several files of images ({there}); name the one to read", file=path)
            path = files[0]
        super().__init__(path, name, encoding=encoding, skip_broken=skip_broken)

    @cached_property
    def images(self) -> np.ndarray[Any, Any]:
        array = read_idx(self.path)
        if array.ndim not in (3, 4) or array.dtype != np.uint8:
            raise DataError(f"is no file of images: its array is {array.dtype} {array.shape}", file=self.path)
        return array

    @cached_property
    def beside(self) -> Path | None:
        """The file that says what each image is."""
        bare = re.sub(r"\.gz$", "", self.path.name, flags=re.IGNORECASE)
        labels = re.sub(r"idx\d", "idx1", bare.replace("images", "labels"))
        texts = [_NAME.sub("", bare).replace("images", word) + ".txt" for word in ("captions", "texts", "labels")]
        names = [other for name in (labels, *texts) if name != bare for other in (name, f"{name}.gz")]
        return next((path for name in names if (path := self.path.with_name(name)).exists()), None)

    @property
    def columns(self) -> list[str]:
        if self.beside is None:
            return ["image"]
        return ["image", "label" if is_idx(self.beside) else "text"]

    @cached_property
    def _said(self) -> list[str]:
        """What each image is, one for each."""
        assert self.beside is not None
        if is_idx(self.beside):
            values = read_idx(self.beside)
            said = [str(value) for value in values.tolist()]
        else:
            with reading(self.beside), open_lines(self.beside, self.encoding, "\n") as stream:
                said = [line.rstrip("\r\n") for line in stream]
        if len(said) != len(self.images):
            raise DataError(
                f"has {len(self.images):,} images, and {self.beside.name} {len(said):,} {self.columns[1]}s; "
                "is it the right one?",
                file=self.path,
            )
        return said

    def _read(self) -> Iterator[Row | DataError]:
        said = self._said if self.beside is not None else None
        for at, image in enumerate(self.images):
            row = Row(at + 1, {"image": image}, self.path)
            if said is not None:
                row.values[self.columns[1]] = said[at]
                if wrong := wrong_characters(said[at], self.encoding):
                    yield row.error(wrong, self.columns[1])
                    continue
            yield row
