"""The files that data consist of: those that are read, those in a folder, and those that the rows of a table name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from recurra.data.media.idx import IdxImages, is_idx
from recurra.data.media.images import resolve_path
from recurra.data.sources.folders import media_column
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


def media_files_in(source: Source) -> Iterator[Path]:
    """Yield the files that the cells of a table name: recordings, images and arrays."""
    for row in source.rows_or_errors():
        if not isinstance(row, Row):
            continue
        for column, value in row.values.items():
            if isinstance(value, str) and (media_column(value.strip()) or value.strip().endswith(".npy")):
                path = Path(resolve_path(row, column))
                if path.is_file():
                    yield path


def state_of_files(files: Iterable[Path]) -> list[tuple[int, ...]]:
    """Return the size, the times of the latest changes, and the number of each file: they differ if a file has changed."""
    states = (path.stat() for path in files)
    return [(state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino) for state in states]
