"""Atomic writing of files: a temporary file is written and flushed, then renamed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .errors import RunError

FORMAT = 2  # of run folders


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Return a context manager of a temporary path, which is renamed to `path` at the end, and removed after an exception.

    Raises RunError if it cannot be written; the old file is then unchanged.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield beside
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise RunError(
            f"{path}: cannot be written ({error.strerror or error}); the existing file is unchanged"
        ) from None
    finally:
        beside.unlink(missing_ok=True)


def user_cache() -> Path | None:
    """Return the folder of recurra among the caches of the user, which may not exist yet; None if there is no home folder."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "recurra"
    except RuntimeError:
        return None


def absolute(name: str | Path) -> str:
    """Return the absolute path of a file or folder that exists; any other name, such as a built-in dataset, as it is."""
    return str(Path(name).resolve()) if Path(name).exists() else str(name)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically. Raises RunError if it cannot be written."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")


def sync_folder(path: Path) -> None:
    """Flush the names in a folder to the disk, where the system can do that."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def link_or_copy(source: Path, target: Path) -> None:
    """Make `target` a second name of the file `source`, or a copy where the file system has no links.

    Replacing `source` does not change `target`. Raises OSError if that is not possible.
    """
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        with target.open("rb+") as file:
            os.fsync(file.fileno())


def remove_leftovers(folder: Path) -> None:
    """Remove the unfinished files in a folder, which a process that was killed has left."""
    for path in (*folder.glob(".*.part"), *folder.glob("*.part")):
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def append_line(path: Path, line: str) -> None:
    """Append a line to a text file and flush it to the disk. Raises RunError if it cannot be written."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror or error})") from None


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON, atomically. Raises RunError if it cannot be written."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file. Raises RunError if it is missing or invalid."""
    return _read(path, json.loads)


def read_yaml(path: Path) -> Any:
    """Read a YAML file. Raises RunError if it is missing or invalid."""
    import yaml

    return _read(path, yaml.safe_load)


def _read(path: Path, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}); the run folder is incomplete") from None
    except Exception as error:  # whatever the parser makes of a damaged file
        raise RunError(f"{path} is damaged: {str(error).splitlines()[0]}") from None


def check_evaluated(path: Path) -> None:
    """Raise RunError if the training ended before its first evaluation: the weights are those before the first step."""
    if (path / "model.safetensors").exists() and not (path / "metrics.json").exists():
        remedy = f"continue with recurra train --resume {path}" if (path / "checkpoint").is_dir() else "train it again"
        raise RunError(f"{path}: the training ended before its first evaluation, so its weights are random; {remedy}")
