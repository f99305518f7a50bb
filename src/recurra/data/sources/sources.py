"""Opens data by name: a file by its suffix, a folder of classes, `hf:NAME`, or a built-in dataset."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from recurra.data import sets
from recurra.data.media.idx import IdxImages, idx_files, is_idx
from recurra.data.sources.files import bare_name, check_file, codec, reading, suffixes
from recurra.data.sources.folders import ClassFolder, media_column
from recurra.data.sources.hub import Hub
from recurra.data.sources.rows import Broken, Row, Source
from recurra.errors import DataError

__all__ = ["READS", "TABLES", "Broken", "Row", "Source", "is_table", "locate", "open_source"]


class Reader(NamedTuple):
    """The suffixes of a table format, and its reader as module:Class of this package."""

    suffixes: tuple[str, ...]
    source: str


READERS = {
    "csv": Reader((".csv",), "tables:Delimited"),
    "tsv": Reader((".tsv", ".tab"), "tables:Delimited"),
    "jsonl": Reader((".jsonl", ".json", ".ndjson"), "tables:JsonLines"),
    "parquet": Reader((".parquet", ".pq"), "parquet:Parquet"),
    "npz": Reader((".npz",), "arrays:Arrays"),
}
TABLES = {suffix: name for name, reader in READERS.items() for suffix in reader.suffixes}
READS = (
    ".csv, .tsv, .jsonl, .parquet (each also .gz), .npz, idx, a folder of .txt, image or audio files named by class, "
    "hf:NAME, a built-in dataset"
)


def is_table(path: str | Path) -> bool:
    """Whether the name is that of a table or a folder. JSON Lines do not count: each line is an object by itself."""
    if is_idx(Path(path)) or Path(path).is_dir():
        return True
    return TABLES.get(suffixes(Path(path))[0], "jsonl") != "jsonl"


def locate(data: str | Path) -> tuple[Path, str]:
    """Return the file or folder of `data` and its short name. A built-in dataset is created first."""
    path = Path(data).expanduser()
    if path.exists():
        return path, bare_name(path) if path.is_file() else path.resolve().name
    if str(data) in sets.known():
        return sets.make(str(data)), str(data)
    raise DataError(
        f"there is no such file, folder or built-in dataset (datasets: {', '.join(sets.known())})", file=data
    )


def open_source(data: str | Path, *, encoding: str = "utf-8", skip_broken: bool = False) -> Source:
    """Open the rows of a dataset.

    Args:
        data: a file, a folder, `hf:NAME`, or the name of a built-in dataset.
        encoding: the encoding of text files.
        skip_broken: skip rows that cannot be parsed instead of raising.

    Raises:
        DataError: the data do not exist, are empty, or have an unknown format.
    """
    if str(data).startswith("hf:"):
        return Hub(str(data)[3:], skip_broken=skip_broken)
    codec(encoding)
    path, name = locate(data)
    if path.is_dir():
        return _folder(path, name, encoding, skip_broken)
    if is_idx(path):
        check_file(path)
        return IdxImages(path, name, encoding=encoding, skip_broken=skip_broken)
    format = TABLES.get(suffixes(path)[0])
    if format is None:
        raise DataError(
            f"files ending in {suffixes(path)[0] or 'nothing'!r} cannot be read; supported: {READS}", file=path
        )
    check_file(path)
    module, _, cls = READERS[format].source.partition(":")
    reader: type[Source] = getattr(import_module(f"recurra.data.sources.{module}"), cls)
    return reader(path, name, encoding=encoding, skip_broken=skip_broken, format=format)


def _folder(path: Path, name: str, encoding: str, skip_broken: bool) -> Source:
    """Open a folder by its content: idx files, one table with the files that it names, or a folder of classes."""
    with reading(path):
        inside = sorted(path.iterdir())
        idx = idx_files(path)
    if idx:
        return IdxImages(path, name, encoding=encoding, skip_broken=skip_broken)
    tables = [p for p in inside if p.is_file() and suffixes(p)[0] in TABLES]
    deep = any(media_column(p) for folder in inside if folder.is_dir() for p in folder.iterdir())
    if len(tables) == 1 and (deep or any(media_column(p) or p.suffix == ".npy" for p in inside)):
        return open_source(tables[0], encoding=encoding, skip_broken=skip_broken)
    folder = ClassFolder(path, name, encoding=encoding, skip_broken=skip_broken)
    folder._files  # noqa: B018  raises the errors of the folder
    return folder
