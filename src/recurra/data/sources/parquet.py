"""Rows of a Parquet file, read in small batches."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import IO, Any

import pyarrow  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]

from recurra.data.sources.files import open_binary, reading, suffixes
from recurra.data.sources.inspect.json_shapes import flatten
from recurra.data.sources.rows import Row, Source
from recurra.errors import DataError

_BATCH = 256  # rows converted to Python objects at once


class Parquet(Source):
    """Rows of a Parquet file."""

    format = "parquet"

    @cached_property
    def columns(self) -> list[str]:
        """The columns of the schema, and those of nested objects joined by a point."""
        with self._open() as file:
            return list(_flat_names(file.schema_arrow))

    @contextmanager
    def _open(self) -> Iterator[Any]:
        with reading(self.path):
            stream: IO[bytes] | None = None
            if suffixes(self.path)[1]:  # Parquet is read from its end, so a gzipped file is unpacked first
                stream = tempfile.TemporaryFile()  # noqa: SIM115  closed below
                with open_binary(self.path) as packed:
                    shutil.copyfileobj(packed, stream)
                stream.seek(0)
            try:
                yield pyarrow.parquet.ParquetFile(stream or self.path, memory_map=stream is None, pre_buffer=False)
            except pyarrow.ArrowException as error:
                raise DataError(f"not Parquet, or damaged: {str(error).splitlines()[0]}", file=self.path) from None
            finally:
                if stream is not None:
                    stream.close()

    def _read(self) -> Iterator[Row | DataError]:
        number = 0
        with self._open() as file:
            for batch in file.iter_batches(_BATCH, use_threads=False):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(number, flatten(values), self.path)


def _flat_names(fields: Iterable[Any], before: str = "") -> Iterator[str]:
    for field in fields:
        yield f"{before}{field.name}"
        if pyarrow.types.is_struct(field.type):
            yield from _flat_names(field.type, f"{before}{field.name}.")
