"""Opens a file as lines of text: gzip, encodings, byte-order marks, and errors that name the file.

A byte that is invalid in the encoding is read as a lone surrogate and reported later, when its row is known. The message can
then name the row, and `skip_broken` skips only that row.
"""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from recurra.data.sources.inspect.encodings import detect_encoding
from recurra.errors import DataError

AUTO = "auto"
_HEAD = 1 << 20  # bytes from which an encoding is detected
_WRONG = re.compile("[\ud800-\udfff\0]")
_READ_ERRORS = (OSError, EOFError, zlib.error)


def suffixes(path: Path) -> tuple[str, bool]:
    """Return the lower-case suffix of the format, and whether the file is gzipped: `a.CSV.gz` -> (".csv", True)."""
    if path.suffix.lower() == ".gz":
        return path.with_suffix("").suffix.lower(), True
    return path.suffix.lower(), False


def bare_name(path: Path) -> str:
    """Return the name of a file without `.gz` and without the suffix of its format."""
    inner = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return inner.stem


def check_file(path: Path) -> None:
    """Raise DataError unless `path` is a file that can be opened and is not empty."""
    if not path.exists():
        raise DataError("there is no such file", file=path)
    with reading(path), open_binary(path) as stream:
        if not stream.read(1):
            raise DataError("the file is empty", file=path)


def open_binary(path: Path) -> IO[bytes]:
    """Open a file for reading bytes, unpacked if it is gzipped."""
    return cast(IO[bytes], gzip.open(path, "rb") if suffixes(path)[1] else path.open("rb"))


def open_lines(path: Path, encoding: str, newline: str | None) -> io.TextIOWrapper:
    """Open a file as text. `newline` is that of `open`: "" for CSV, "\\n" to split only there, None to translate."""
    return io.TextIOWrapper(open_binary(path), codec(resolved(path, encoding)), "surrogateescape", newline)


def resolved(path: Path, encoding: str) -> str:
    """Return the encoding; that of the file, by its first bytes, where it is "auto"."""
    if encoding != AUTO:
        return encoding
    with reading(path), open_binary(path) as stream:
        return detect_encoding(stream.read(_HEAD)).name


def codec(encoding: str) -> str:
    """Return Python's name of an encoding; UTF-8 accepts a byte-order mark. Raises DataError for an unknown encoding."""
    try:
        name = codecs.lookup("utf-8" if encoding == AUTO else encoding).name
    except LookupError:
        raise DataError(f"unknown encoding {encoding!r}; try utf-8, utf-16, gb18030 or latin-1") from None
    return "utf-8-sig" if name == "utf-8" else name


def wrong_characters(text: str, encoding: str) -> str | None:
    """Return what is wrong with the characters of a text read by `open_lines`, or None."""
    if text.isascii() and "\0" not in text:
        return None
    match = _WRONG.search(text)
    if match is None:
        return None
    if match[0] == "\0":
        return "a NUL byte; is this a text file? (UTF-16 text needs --set encoding=utf-16)"
    if not "\udc80" <= match[0] <= "\udcff":
        return "half a character (a lone surrogate)"
    byte, name = ord(match[0]) - 0xDC00, "utf-8" if encoding == AUTO else encoding
    return f"byte 0x{byte:02x} is not {name}; save the file as UTF-8 or set its encoding, {likely_encodings(text)}"


def likely_encodings(text: str) -> str:
    """Return advice about the encoding of a text with invalid bytes, as `--set` options."""
    runs = re.findall("[\udc80-\udcff]+", text)
    pairs = sum(len(run) - len(run) % 2 for run in runs)
    legacy = ("gb18030", "cp1252") if pairs and 2 * pairs >= sum(map(len, runs)) else ("cp1252", "latin-1")
    return "such as " + " or ".join(f"--set encoding={name}" for name in legacy)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Convert errors of the operating system, of gzip and of codecs into a DataError that names the file."""
    try:
        yield
    except gzip.BadGzipFile:
        raise DataError("the name ends in .gz but the content is not gzip, or the file is damaged", file=path) from None
    except UnicodeError as error:
        raise DataError(
            f"wrong encoding: {error}; set the right one, such as --set encoding=utf-16", file=path
        ) from None
    except _READ_ERRORS as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"cannot be read: {reason}", file=path) from None
