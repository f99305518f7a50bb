"""Opening data by what it is called: a file by its suffix, a folder of classes, `hf:NAME`, a built-in set."""

from __future__ import annotations

from pathlib import Path

from recurra.data import sets
from recurra.data.media.idx import IdxImages, idx_files, is_idx
from recurra.data.sources.files import bare_name, check_file, codec, reading, suffixes
from recurra.data.sources.folders import ClassFolder, holds
from recurra.data.sources.hub import Hub
from recurra.data.sources.rows import Broken, Row, Source
from recurra.data.sources.tables import Delimited, JsonLines
from recurra.errors import DataError

__all__ = ["READS", "TABLES", "Broken", "Row", "Source", "is_table", "locate", "open_source"]

TABLES = {".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".json": "jsonl", ".ndjson": "jsonl",
          ".parquet": "parquet", ".pq": "parquet", ".npz": "npz"}  # fmt: skip
READS = (
    ".csv, .tsv, .jsonl, .parquet (each also .gz), .npz, idx, a folder of .txt, image or audio files named by class, "
    "hf:NAME, a built-in set"
)


def is_table(path: str | Path) -> bool:
    """Whether a file, by its name, is a table, or a folder one; of JSON lines each line is an object by itself."""
    if is_idx(Path(path)) or Path(path).is_dir():
        return True
    return TABLES.get(suffixes(Path(path))[0], "jsonl") != "jsonl"


def locate(data: str | Path) -> tuple[Path, str]:
    """The file or folder that `data` means, and its short name; a built-in set is made first."""
    path = Path(data).expanduser()
    if path.exists():
        return path, bare_name(path) if path.is_file() else path.resolve().name
    if str(data) in sets.known():
        return sets.make(str(data)), str(data)
    raise DataError(f"there is no such file, folder or built-in set (sets: {', '.join(sets.known())})", file=data)


def open_source(data: str | Path, *, encoding: str = "utf-8", skip_broken: bool = False) -> Source:
    """The rows of `data`. Raises DataError where it is missing, empty, or of a kind that is not read."""
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
        raise DataError(f"files ending in {suffixes(path)[0] or 'nothing'!r} are not read; what is: {READS}", file=path)
    check_file(path)
    if format == "parquet":
        from recurra.data.sources.parquet import Parquet

        return Parquet(path, name, skip_broken=skip_broken)
    if format == "npz":
        from recurra.data.sources.arrays import Arrays

        return Arrays(path, name, skip_broken=skip_broken)
    if format == "jsonl":
        return JsonLines(path, name, encoding=encoding, skip_broken=skip_broken)
    return Delimited(path, name, format=format, encoding=encoding, skip_broken=skip_broken)


def _folder(path: Path, name: str, encoding: str, skip_broken: bool) -> Source:
    """A folder, by what is in it: idx files, one table beside the files that it names, else classes."""
    with reading(path):
        inside = sorted(path.iterdir())
        idx = idx_files(path)
    if idx:
        return IdxImages(path, name, encoding=encoding, skip_broken=skip_broken)
    tables = [p for p in inside if p.is_file() and suffixes(p)[0] in TABLES]
    deep = any(holds(p) for folder in inside if folder.is_dir() for p in folder.iterdir())
    if len(tables) == 1 and (deep or any(holds(p) or p.suffix == ".npy" for p in inside)):
        return open_source(tables[0], encoding=encoding, skip_broken=skip_broken)
    folder = ClassFolder(path, name, encoding=encoding, skip_broken=skip_broken)
    folder._files  # noqa: B018  the folder's errors belong here
    return folder
