"""Built-in datasets: real content of Python or of a library, and synthetic data. Each is written once to the user's cache.

Each dataset is a module of this package. The first line of its docstring describes it. It defines `write(file)` for a text
file, `write_folder(folder)` for a folder, or `write_file(path)` for a binary file. A dataset of `_LENGTHS` has a parameter,
which follows its name: `adding:500` has 500 time steps.
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
    "adding": "regress: the sum of two marked numbers among 50; adding:N among N",
    "copy": "tag: ten symbols, to be repeated after a delay of 20 steps; copy:N of N",
    "parity": "classify: the parity of up to 10 bits; parity:N of up to N",
}
_LENGTHS = {"adding": (50, 2), "copy": (20, 1), "parity": (10, 2)}  # the default of the parameter, and its minimum
MAX_LENGTH = 10_000  # of a parameter
_FOLDERS = {"tones": "manifest.csv"}  # datasets that are a folder: the file in it to read, "" for the folder itself
_SUFFIXES = {"stdlib": ".txt", "names": ".csv", "digits": ".csv", "dates": ".tsv", "series": ".csv",
             "sine": ".csv", "scenes": ".npz", "adding": ".jsonl", "copy": ".jsonl", "parity": ".jsonl"}  # fmt: skip
_VERSION = 3  # increased when the content of a dataset changes


def known() -> dict[str, str]:
    """Return the names of the datasets, each with one line: the task that it is for, and its content."""
    return dict(_SETS)


def is_built_in(data: object) -> bool:
    """Return whether `data` is the name of a dataset, with or without a parameter."""
    return str(data).partition(":")[0] in _SETS and "/" not in str(data)


def file_name(name: str) -> str:
    """Return the name of the file of a dataset without its suffix: `adding-500` for `adding:500`."""
    return name.replace(":", "-")


def _parameter(name: str) -> tuple[str, int | None]:
    """Return the name and the parameter of `adding:500`. Raises DataError if there is no such dataset or parameter."""
    base, colon, text = name.partition(":")
    if base not in _SETS:
        raise DataError(f"unknown built-in dataset {base!r}; {near(base, _SETS)}")
    if not colon:
        return base, _LENGTHS[base][0] if base in _LENGTHS else None
    if base not in _LENGTHS:
        raise DataError(f"the dataset {base!r} has no parameter {text!r}; those with one are {', '.join(_LENGTHS)}")
    least = _LENGTHS[base][1]
    if not text.isdecimal() or not least <= int(text) <= MAX_LENGTH:
        raise DataError(f"the dataset {name!r}: {text!r} is not a number from {least} to {MAX_LENGTH:,}")
    return base, int(text)


def make(name: str, folder: Path | None = None) -> Path:
    """Return the file or folder of a dataset. It is written at the first use; the content is always the same.

    Args:
        name: name of the dataset, with its parameter if it has one.
        folder: folder to write to; None: the cache of the user.

    Raises:
        DataError: if the name or its parameter is unknown, the library of the content is missing, or the file cannot be
                written.
    """
    base, value = _parameter(name)
    folder = _cache() if folder is None else folder
    path = folder / f"{file_name(name)}{_SUFFIXES.get(base, '')}"
    if path.exists():
        return path / _FOLDERS.get(base, "")
    part = folder / f".{path.name}.{os.getpid()}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        module = import_module(f"recurra.data.sets.{base}")
        if base in _FOLDERS:
            part.mkdir(exist_ok=True)
            module.write_folder(part)
        elif path.suffix == ".npz":
            module.write_file(part)
        else:
            with part.open("w", encoding="utf-8", newline="") as file:
                module.write(file, *([] if value is None else [value]))
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
    return path / _FOLDERS.get(base, "")


def _cache() -> Path:
    folder = user_cache()
    if folder is None:
        raise DataError("built-in datasets need a folder: there is no home folder; set HOME or XDG_CACHE_HOME")
    return folder / f"sets-{_VERSION}"
