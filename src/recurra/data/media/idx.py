"""idx files, the format of MNIST: an array of images, (N, H, W) or (N, H, W, C) bytes, and a file of their annotations.

The annotation file is found by its name: `train-images-idx3-ubyte.gz` belongs to `train-labels-idx1-ubyte.gz`, or to a text
file with one line per image, `train-captions.txt`. A `.` may replace the `-` before `idx`, and `.gz` is optional.
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
    """Whether the file name is that of an idx file."""
    return bool(_NAME.search(path.name))


def idx_files(folder: Path) -> list[Path]:
    """Return the idx files of images directly inside a folder."""
    return [path for path in sorted(folder.iterdir()) if (match := _NAME.search(path.name)) and int(match[1]) >= 3]


def read_idx(path: Path) -> np.ndarray[Any, Any]:
    """Return the array of an idx file. Raises DataError if the file is damaged or not an idx file."""
    with reading(path), open_binary(path) as stream:
        data = stream.read()
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _DTYPES:
        raise DataError("is not an idx file: the first bytes are not those of an idx header", file=path)
    dtype, axes = np.dtype(_DTYPES[data[2]]), data[3]
    begin = 4 + 4 * axes
    shape = tuple(int(size) for size in np.frombuffer(data[4:begin], ">u4"))
    expected = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if len(shape) != axes or len(data) - begin != expected:
        sizes = " x ".join(map(str, shape))
        problem = f"the header declares {sizes} numbers, {expected:,} bytes, but {len(data) - begin:,} bytes follow"
        raise DataError(f"the file is damaged: {problem}", file=path)
    return np.frombuffer(data, dtype, offset=begin).reshape(shape)


class IdxImages(Source):
    """A source with the column `image`, and `label` or `text` if there is an annotation file."""

    format = "idx"

    def __init__(self, path: Path, name: str, *, encoding: str = "utf-8", skip_broken: bool = False) -> None:
        if path.is_dir():
            files = idx_files(path)
            if len(files) != 1:
                names = ", ".join(file.name for file in files)
                raise DataError(f"the folder has several files of images ({names}); name one of them", file=path)
            path = files[0]
        super().__init__(path, name, encoding=encoding, skip_broken=skip_broken)

    @cached_property
    def images(self) -> np.ndarray[Any, Any]:
        """The images, (N, H, W) or (N, H, W, C) bytes."""
        array = read_idx(self.path)
        if array.ndim not in (3, 4) or array.dtype != np.uint8:
            raise DataError(f"is not a file of images: its array is {array.dtype} {array.shape}", file=self.path)
        return array

    @cached_property
    def annotation_file(self) -> Path | None:
        """The file of labels or texts of the images, or None."""
        bare = re.sub(r"\.gz$", "", self.path.name, flags=re.IGNORECASE)
        labels = re.sub(r"idx\d", "idx1", bare.replace("images", "labels"))
        texts = [_NAME.sub("", bare).replace("images", word) + ".txt" for word in ("captions", "texts", "labels")]
        names = [other for name in (labels, *texts) if name != bare for other in (name, f"{name}.gz")]
        return next((path for name in names if (path := self.path.with_name(name)).exists()), None)

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        if self.annotation_file is None:
            return ["image"]
        return ["image", "label" if is_idx(self.annotation_file) else "text"]

    @cached_property
    def _annotations(self) -> list[str]:
        """The label or text of each image."""
        assert self.annotation_file is not None
        if is_idx(self.annotation_file):
            values = read_idx(self.annotation_file)
            annotations = [str(value) for value in values.tolist()]
        else:
            with reading(self.annotation_file), open_lines(self.annotation_file, self.encoding, "\n") as stream:
                annotations = [line.rstrip("\r\n") for line in stream]
        if len(annotations) != len(self.images):
            raise DataError(
                f"has {len(self.images):,} images, but {self.annotation_file.name} has {len(annotations):,} "
                f"{self.columns[1]}s; do the two files belong together?",
                file=self.path,
            )
        return annotations

    def _read(self) -> Iterator[Row | DataError]:
        annotations = self._annotations if self.annotation_file is not None else None
        for index, image in enumerate(self.images):
            row = Row(index + 1, {"image": image}, self.path)
            if annotations is not None:
                row.values[self.columns[1]] = annotations[index]
                if problem := wrong_characters(annotations[index], self.encoding):
                    yield row.error(problem, self.columns[1])
                    continue
            yield row
