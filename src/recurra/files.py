"""Files written so that nothing is lost: beside, flushed, then renamed over the old one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import RunError

FORMAT = 2  # of run folders


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to; it takes the place of `path` when the block ends well, and is gone otherwise.

    Raises RunError when the disk is full or the folder cannot be written, with the old file still in its place.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise RunError(
            f"{path}: cannot be written ({error.strerror or error}); what was there before is untouched"
        ) from None
    finally:
        beside.unlink(missing_ok=True)


def absolute(name: str | Path) -> str:
    """A file or folder by its whole path; what is none, such as a built-in set, by its name."""
    return str(Path(name).resolve()) if Path(name).exists() else str(name)


def write_text(path: Path, text: str) -> None:
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")


def append_line(path: Path, line: str) -> None:
    """Raises RunError when it cannot be written."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror or error})") from None


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def read_json(path: Path) -> Any:
    """Raises RunError when the file is missing or is not JSON."""
    return _read(path, json.loads)


def read_yaml(path: Path) -> Any:
    """Raises RunError when the file is missing or is not YAML."""
    import yaml

    return _read(path, yaml.safe_load)


def _read(path: Path, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}); the run folder is incomplete") from None
    except Exception as error:  # whatever the parser makes of a damaged file
        raise RunError(f"{path}: is damaged ({str(error).splitlines()[0]})") from None
