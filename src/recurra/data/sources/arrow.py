"""Rows of a Feather or Arrow file, in the file or the stream format."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import IO, Any

import pyarrow  # type: ignore[import-untyped]
import pyarrow.feather  # type: ignore[import-untyped]
import pyarrow.ipc  # type: ignore[import-untyped]

from recurra.data.sources.files import open_binary, reading, suffixes
from recurra.data.sources.inspect.json_shapes import flatten
from recurra.data.sources.rows import Row, Source
from recurra.errors import DataError

_BATCH = 256  # rows converted to Python objects at once


class Arrow(Source):
    """Rows of a Feather file (version 2) or of an Arrow file or stream."""

    format = "feather"

    @cached_property
    def columns(self) -> list[str]:
        """The columns of the first row, with those of nested objects."""
        first = next(iter(self._read()), None)
        if isinstance(first, Row):
            return list(first.values)
        with self._open() as (schema, _):
            return list(schema.names)

    @contextmanager
    def _open(self) -> Iterator[tuple[Any, Iterator[Any]]]:
        with reading(self.path), tempfile.TemporaryFile() as unpacked:
            stream: IO[bytes] | None = None
            if suffixes(self.path)[1]:
                with open_binary(self.path) as packed:
                    shutil.copyfileobj(packed, unpacked)
                unpacked.seek(0)
                stream = unpacked
            try:
                source = stream or pyarrow.memory_map(str(self.path))
                try:
                    file = pyarrow.ipc.open_file(source)
                    batches = (file.get_batch(at) for at in range(file.num_record_batches))
                except pyarrow.ArrowInvalid:
                    source.seek(0)
                    file = pyarrow.ipc.open_stream(source)
                    batches = iter(file)
                yield file.schema, batches
            except pyarrow.ArrowException as error:
                message = f"not Feather or Arrow, or damaged: {str(error).splitlines()[0]}"
                raise DataError(message, file=self.path) from None

    def _read(self) -> Iterator[Row | DataError]:
        number = 0
        with self._open() as (_, batches):
            for batch in batches:
                for start in range(0, batch.num_rows, _BATCH):
                    for values in batch.slice(start, _BATCH).to_pylist():
                        number += 1
                        yield Row(number, flatten(values), self.path)
