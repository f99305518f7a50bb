"""A table of encoded examples in flat arrays on disk, which are memory-mapped when they are read.

A folder contains `store.json` (format number, number of rows, fields) and raw little-endian arrays: `NAME.bin`, and for a
ragged field also `NAME.ends.bin` with the end of each row in `NAME.bin`. Mapped pages belong to the file, not to the process,
so that a dataset may be larger than the memory. A store is written to a temporary folder, which is renamed when it is complete.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from recurra.errors import CallError, DataError

Array = NDArray[Any]

_FORMAT = 1
_HEADER = "store.json"
_BUFFER = 1 << 20  # bytes per field that are buffered before they are written
_DTYPES = ("int8", "int16", "int32", "int64", "float32", "float64", "uint8")


@dataclass(frozen=True)
class _Field:
    """A field and its specification.

    `dtype`: one number per row; `dtype:WIDTH`: WIDTH numbers per row; `ragged:dtype`: T numbers per row, where T may differ
    between rows; `ragged:dtype:WIDTH`: T time steps of WIDTH numbers.
    """

    name: str
    spec: str

    def __post_init__(self) -> None:
        parts = self.spec.split(":")
        layout = parts[1:] if parts[0] == "ragged" else parts
        has_width = len(layout) == 2 and layout[1].isdecimal() and int(layout[1]) > 0
        if not (layout and layout[0] in _DTYPES and (len(layout) == 1 or has_width)) or not self.name.isidentifier():
            raise CallError(f"store field {self.name!r}: {self.spec!r} is not DTYPE[:WIDTH] or ragged:DTYPE[:WIDTH]")

    @cached_property
    def ragged(self) -> bool:
        return self.spec.startswith("ragged:")

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.spec.split(":")[int(self.ragged)]).newbyteorder("<")

    @cached_property
    def width(self) -> tuple[int, ...]:
        """The shape of one time step, or of one row of a field without time steps: () or (WIDTH,)."""
        parts = self.spec.removeprefix("ragged:").split(":")
        return (int(parts[1]),) if len(parts) == 2 else ()


class Flat(NamedTuple):
    """Rows of a ragged field: the concatenated values, (N,) or (N, WIDTH), and the time steps of each row, (rows,)."""

    values: Array
    lengths: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]], dtype: DTypeLike) -> Flat:
        """Return rows that are lists of numbers."""
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        return cls(np.fromiter(chain.from_iterable(rows), dtype, int(lengths.sum())), lengths)


class StoreWriter:
    """Writes a store row by row, with a few MB of memory.

    folder   folder of the store; an older store there is replaced when the new one is complete
    fields   name -> specification: `dtype`, `dtype:WIDTH`, `ragged:dtype` or `ragged:dtype:WIDTH`

    Use it as a context manager, or call `close`. After an error no file remains. Raises CallError for an invalid specification,
    and DataError where the folder cannot be written.
    """

    def __init__(self, folder: Path, fields: Mapping[str, str]) -> None:
        self.folder = Path(folder)
        self._fields = [_Field(name, spec) for name, spec in fields.items()]
        self._part = self.folder.with_name(f".{self.folder.name}.{os.getpid()}.part")
        self._rows = 0
        self._steps = dict.fromkeys(fields, 0)
        self._waiting: dict[str, list[bytes]] = {}
        self._size: dict[str, int] = {}
        self._files: dict[str, BinaryIO] = {}
        try:
            shutil.rmtree(self._part, ignore_errors=True)
            self._part.mkdir(parents=True)
            for field in self._fields:
                for file in [field.name, f"{field.name}.ends"] if field.ragged else [field.name]:
                    self._files[file] = (self._part / f"{file}.bin").open("wb")
                    self._waiting[file], self._size[file] = [], 0
        except OSError as error:
            raise self._failed(error) from None

    def append(self, **values: ArrayLike) -> None:
        """Append a row: for each field a number, or an array (WIDTH,), (T,) or (T, WIDTH).

        Raises CallError for other shapes or fields.
        """
        self.extend(**{name: [value] for name, value in values.items()})

    def extend(self, **values: Sequence[ArrayLike] | Flat) -> None:
        """Append rows: for each field a sequence with one value per row, as `append` takes them, or a `Flat`."""
        if set(values) != set(self._steps):
            raise CallError(f"a row has the fields {', '.join(self._steps)}, not {', '.join(values)}")
        columns = {field.name: _column(field, values[field.name]) for field in self._fields}
        counts = {len(lengths) for _, lengths in columns.values()}
        if len(counts) > 1:
            raise CallError(f"the fields have different numbers of rows: {sorted(counts)}")
        for field in self._fields:
            data, lengths = columns[field.name]
            self._write(field.name, data)
            if field.ragged:
                ends = self._steps[field.name] + np.cumsum(lengths)
                self._steps[field.name] += int(lengths.sum())
                self._write(f"{field.name}.ends", ends.astype("<i8").tobytes())
        self._rows += max(counts, default=0)

    def _write(self, file: str, data: bytes) -> None:
        self._waiting[file].append(data)
        self._size[file] += len(data) + 64  # 64: size of a bytes object without its content
        if self._size[file] >= _BUFFER:
            self._flush(file)

    def _flush(self, file: str) -> None:
        try:
            self._files[file].write(b"".join(self._waiting[file]))
        except OSError as error:
            raise self._failed(error) from None
        self._waiting[file], self._size[file] = [], 0

    def close(self) -> Store:
        """Complete the store, replace an older one, and open it."""
        for file in self._files:
            self._flush(file)
        fields = {field.name: field.spec for field in self._fields}
        header = {"format": _FORMAT, "rows": self._rows, "fields": fields, "steps": self._steps}
        try:
            for stream in self._files.values():
                stream.close()
            (self._part / _HEADER).write_text(json.dumps(header), encoding="utf-8")
            if self.folder.exists():
                shutil.rmtree(self.folder)
            self._part.replace(self.folder)
        except OSError as error:
            raise self._failed(error) from None
        return Store(self.folder)

    def abandon(self) -> None:
        """Close and remove the unfinished files."""
        for stream in self._files.values():
            with suppress(OSError):  # on a full disk the last bytes cannot be written, and they are not needed
                stream.close()
        shutil.rmtree(self._part, ignore_errors=True)

    def _failed(self, error: OSError) -> DataError:
        self.abandon()
        return DataError(f"the encoded data cannot be written: {error.strerror}; free disk space or use another folder",
                         file=self.folder)  # fmt: skip

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._part.exists():
            self.close()
        else:
            self.abandon()


def _column(field: _Field, values: Sequence[ArrayLike] | Flat) -> tuple[bytes, NDArray[np.int64]]:
    """The bytes of the values of a field, and the number of time steps of each row. Raises CallError for a wrong shape."""
    axes = int(field.ragged)
    if isinstance(values, Flat):
        if not field.ragged or values.values.shape[1:] != field.width:
            raise CallError(f"store field {field.name!r} is {field.spec}, but got rows of {values.values.shape[1:]}")
        return values.values.astype(field.dtype, copy=False).tobytes(), values.lengths
    arrays = [np.asarray(value, field.dtype) for value in values]
    for shape in {array.shape for array in arrays}:
        is_empty = field.ragged and 0 in shape
        if not is_empty and (len(shape) != axes + len(field.width) or shape[axes:] != field.width):
            raise CallError(f"store field {field.name!r} is {field.spec}, but got the shape {shape}")
    lengths = (len(array) if field.ragged and array.size else 0 for array in arrays)
    return b"".join([array.tobytes() for array in arrays]), np.fromiter(lengths, np.int64, len(arrays))


class Store:
    """A complete store, read-only.

    Raises DataError where it is missing or damaged, or has a newer format.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        try:
            header = json.loads((self.folder / _HEADER).read_text(encoding="utf-8"))
            if header["format"] > _FORMAT:
                problem = f"format {header['format']} is newer than this recurra reads ({_FORMAT})"
                raise DataError(problem, file=self.folder)
            self._rows = int(header["rows"])
            self._fields = {name: _Field(name, spec) for name, spec in header["fields"].items()}
            steps = {name: int(header["steps"][name]) for name in self._fields}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._damaged(f"{type(error).__name__}: {error}") from None
        self._flat: dict[str, Array] = {}
        self._ends: dict[str, NDArray[np.int64]] = {}
        for name, field in self._fields.items():
            count = steps[name] if field.ragged else self._rows
            self._flat[name] = self._map(name, field.dtype, (count, *field.width))
            if field.ragged:
                self._ends[name] = self._map(f"{name}.ends", np.dtype("<i8"), (self._rows,))
                if self._rows and int(self._ends[name][-1]) != count:
                    raise self._damaged(f"{name}.ends.bin does not match {name}.bin")

    def _map(self, file: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
        path = self.folder / f"{file}.bin"
        expected = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        try:
            size = path.stat().st_size
        except OSError:
            raise self._damaged(f"{path.name} is missing") from None
        if size != expected:
            raise self._damaged(f"{path.name} has {size:,} bytes instead of {expected:,}")
        return np.memmap(path, dtype, "r", shape=shape) if expected else np.empty(shape, dtype)

    def _damaged(self, problem: str) -> DataError:
        message = f"the encoded data is missing or damaged ({problem}); remove this folder to encode again"
        return DataError(message, file=self.folder)

    def __len__(self) -> int:
        return self._rows

    @property
    def fields(self) -> dict[str, str]:
        """name -> specification, as it was passed to StoreWriter."""
        return {name: field.spec for name, field in self._fields.items()}

    def lengths(self, field: str) -> NDArray[np.int64]:
        """Number of time steps of each row of a ragged field, (rows,) int64."""
        return np.diff(self._ends[field], prepend=0)

    def column(self, field: str) -> Array:
        """Return a field with one number per row, (rows,), or WIDTH numbers per row, (rows, WIDTH).

        Raises CallError for a ragged field.
        """
        if self._fields[field].ragged:
            raise CallError(f"store field {field!r} has rows of variable length; read it with ragged()")
        return self._flat[field]

    def flat(self, field: str) -> Array:
        """Return the concatenated rows of a ragged field, (N,) or (N, WIDTH)."""
        return self._flat[field]

    def span(self, field: str, begin: int, end: int) -> tuple[Array, list[int]]:
        """Return the concatenated rows[begin:end] of a ragged field, and the end of each row in them."""
        ends = self._ends[field][begin:end]
        first = int(self._ends[field][begin - 1]) if begin else 0
        return self._flat[field][first : int(ends[-1]) if len(ends) else first], (ends - first).tolist()

    def ragged(
        self, field: str, rows: NDArray[np.integer], *, max_length: int | None = None
    ) -> tuple[Array, NDArray[np.int64]]:
        """Return rows of a ragged field, (B, T) or (B, T, WIDTH) padded with 0, and their lengths (B,).

        field        name of the field
        rows         indices of the rows, (B,)
        max_length   number of time steps to which longer rows are truncated; None for no limit
        """
        rows = np.asarray(rows, np.int64)
        ends = self._ends[field][rows]
        begins = np.where(rows > 0, self._ends[field][rows - 1], 0) if len(rows) else ends
        lengths = np.asarray(ends - begins, np.int64)
        if max_length is not None:
            lengths = np.minimum(lengths, max_length)
        flat = self._flat[field]
        padded = np.zeros((len(rows), int(lengths.max(initial=0)), *flat.shape[1:]), flat.dtype)
        for b, (begin, length) in enumerate(zip(begins.tolist(), lengths.tolist(), strict=True)):
            padded[b, :length] = flat[begin : begin + length]
        return padded, lengths
