"""Built-in data sets: real content that comes with Python or with a library, written once into the user's cache.

Each is a module here with a docstring whose first line describes it, and `write(file)`; of a set that is a folder,
`write_folder(folder)`; of one that is no text, `write_file(path)`.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from recurra.errors import DataError, near

_SETS = {
    "stdlib": "language: the text of Python's standard library",
    "names": "classify: first and last names, labelled by language",
    "digits": "classify: handwritten digits, 8 steps of 8 numbers",
    "dates": "translate: dates as the world's languages write them, and as ISO 8601",
    "series": "forecast: sunspots, carbon dioxide and other measured series",
    "tones": "transcribe: numbers dialled on a telephone's keys, as wav files",
    "scenes": "caption: coloured shapes, and a sentence that says which is where",
    "sine": "forecast: a sine wave sampled 25 times a period, with a little noise",
}
_FOLDERS = {"tones": "manifest.csv"}  # sets that are a folder: what in it is read, "" for the folder
_SUFFIXES = {"stdlib": ".txt", "names": ".csv", "digits": ".csv", "dates": ".tsv", "series": ".csv",
             "sine": ".csv", "scenes": ".npz"}  # fmt: skip
_VERSION = 2  # goes up when the content of a set changes


def known() -> dict[str, str]:
    """name -> one line: the task it suits and what it holds."""
    return dict(_SETS)


def make(name: str, folder: Path | None = None) -> Path:
    """The file (or folder) of the set `name`, written on first use into `folder` or the user's cache; the same every time.

    Raises DataError for an unknown name, and where the library that the content comes from is missing.
    """
    if name not in _SETS:
        raise DataError(f"there is no built-in set {name!r}; {near(name, _SETS)}")
    folder = _cache() if folder is None else folder
    path = folder / f"{name}{_SUFFIXES.get(name, '')}"
    if path.exists():
        return path / _FOLDERS.get(name, "")
    part = folder / f".{path.name}.{os.getpid()}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if name in _FOLDERS:
            part.mkdir(exist_ok=True)
            import_module(f"recurra.data.sets.{name}").write_folder(part)
        elif path.suffix == ".npz":
            import_module(f"recurra.data.sets.{name}").write_file(part)
        else:
            with part.open("w", encoding="utf-8", newline="") as file:
                import_module(f"recurra.data.sets.{name}").write(file)
        part.replace(path)
    except ImportError as error:
        library = (error.name or "").partition(".")[0]
        raise DataError(f"the set {name!r} needs the library {library}: pip install 'recurra[sets]'") from None
    except OSError as error:
        raise DataError(f"the set {name!r} cannot be written: {error.strerror}", file=path) from None
    finally:
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        with suppress(OSError):
            part.unlink()
    return path / _FOLDERS.get(name, "")


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "recurra" / f"sets-{_VERSION}"
