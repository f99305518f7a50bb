"""The files that data consist of: those that are read, those in a folder, and those that the rows of a table name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from recurra.data.media.idx import IdxImages, is_idx
from recurra.data.media.segments import Segment
from recurra.data.sources.rows import Row, Source
from recurra.data.sources.sources import locate
from recurra.data.store.cache_key import NotCacheableError


def files_of(data: str | Path) -> list[Path]:
    """Return the files of data: a file and the one that belongs to it, or all files of a folder.

    Raises:
        NotCacheableError: the data are not files.
    """
    if str(data).startswith("hf:"):
        raise NotCacheableError(f"{data}, which may change")
    path, name = locate(data)
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    if is_idx(path):
        annotations = IdxImages(path, name).annotation_file
        return [path] if annotations is None else [path, annotations]
    return [path]


def media_files_in(source: Source, values_of: Callable[[Row], Iterable[Any]]) -> Iterator[Path]:
    """Yield the files that rows name: recordings, images and arrays. `values_of` returns the names in a row, as paths."""
    for row in source.rows_or_errors():
        if not isinstance(row, Row):
            continue
        for value in values_of(row):
            path = (
                Path(value.file if isinstance(value, Segment) else value) if isinstance(value, str | Segment) else None
            )
            if path is not None and path.is_file():
                yield path


def state_of_files(files: Iterable[Path]) -> list[tuple[int, ...]]:
    """Return the size, the times of the latest changes, and the number of each file: they differ if a file has changed."""
    states = (path.stat() for path in files)
    return [(state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino) for state in states]
