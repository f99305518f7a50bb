"""Built-in datasets: real content of Python or of a library, and synthetic data. Each is written once to the user's cache.

Each dataset is a module of this package. The first line of its docstring describes it. It defines `write(file)` for a text
file, `write_folder(folder)` for a folder, or `write_file(path)` for a binary file.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from recurra.errors import DataError, near
from recurra.files import user_cache

_SETS = {
    "stdlib": "language: the text of Python's standard library",
    "names": "classify: first and last names, labeled by language",
    "digits": "classify: handwritten digits, 8 time steps of 8 numbers",
    "dates": "translate: dates in many languages, and in ISO 8601",
    "series": "forecast: sunspots, carbon dioxide and other measured time series",
    "tones": "transcribe: telephone numbers as dial tones, in wav files",
    "scenes": "caption: images of colored shapes, and sentences that describe them",
    "sine": "forecast: a noisy sine wave with 25 samples per period",
}
_FOLDERS = {"tones": "manifest.csv"}  # datasets that are a folder: the file in it to read, "" for the folder itself
_SUFFIXES = {"stdlib": ".txt", "names": ".csv", "digits": ".csv", "dates": ".tsv", "series": ".csv",
             "sine": ".csv", "scenes": ".npz"}  # fmt: skip
_VERSION = 2  # increased when the content of a dataset changes


def known() -> dict[str, str]:
    """Return the names of the datasets, each with one line: the task that it is for, and its content."""
    return dict(_SETS)


def make(name: str, folder: Path | None = None) -> Path:
    """Return the file or folder of a dataset. It is written at the first use; the content is always the same.

    Args:
        name: name of the dataset.
        folder: folder to write to; None: the cache of the user.

    Raises:
        DataError: if the name is unknown, the library of the content is missing, or the file cannot be written.
    """
    if name not in _SETS:
        raise DataError(f"unknown built-in dataset {name!r}; {near(name, _SETS)}")
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
        raise DataError(f"the dataset {name!r} needs the library {library}: pip install 'recurra[sets]'") from None
    except OSError as error:
        raise DataError(f"the dataset {name!r} cannot be written: {error.strerror}", file=path) from None
    finally:
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        with suppress(OSError):
            part.unlink()
    return path / _FOLDERS.get(name, "")


def _cache() -> Path:
    folder = user_cache()
    if folder is None:
        raise DataError("built-in datasets need a folder: there is no home folder; set HOME or XDG_CACHE_HOME")
    return folder / f"sets-{_VERSION}"
