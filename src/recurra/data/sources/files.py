"""Opening one file as text lines: gzip, encodings, byte-order marks, and errors that name the place.

A byte that is not valid in the encoding becomes a lone surrogate here and is found later, when the row it stands
in is known: so the message can name the row, and `skip_broken` can skip that row alone.
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

from recurra.errors import DataError

_WRONG = re.compile("[\ud800-\udfff\0]")
_READ_ERRORS = (OSError, EOFError, zlib.error)


def suffixes(path: Path) -> tuple[str, bool]:
    """The lower-case suffix that decides the format, and whether the file is gzipped: `a.CSV.gz` -> (".csv", True)."""
    if path.suffix.lower() == ".gz":
        return path.with_suffix("").suffix.lower(), True
    return path.suffix.lower(), False


def bare_name(path: Path) -> str:
    """The file's name without `.gz` and without the suffix of its format."""
    inner = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return inner.stem


def check_file(path: Path) -> None:
    """Raise DataError unless `path` is a file that can be opened and has something in it."""
    if not path.exists():
        raise DataError("there is no such file", file=path)
    with reading(path), open_binary(path) as stream:
        if not stream.read(1):
            raise DataError("the file is empty", file=path)


def open_binary(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path, "rb") if suffixes(path)[1] else path.open("rb"))


def open_lines(path: Path, encoding: str, newline: str | None) -> io.TextIOWrapper:
    """The file as text; `newline` as in `open`: "" for csv, "\\n" to split there alone, None to translate."""
    return io.TextIOWrapper(open_binary(path), codec(encoding), "surrogateescape", newline)


def codec(encoding: str) -> str:
    """Python's name of the encoding; UTF-8 accepts a byte-order mark. DataError for one that does not exist."""
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        raise DataError(f"there is no encoding {encoding!r}; try utf-8, utf-16, gb18030 or latin-1") from None
    return "utf-8-sig" if name == "utf-8" else name


def wrong_characters(text: str, encoding: str) -> str | None:
    """What is wrong with the characters of `text` as read by `open_lines`, or None."""
    if text.isascii() and "\0" not in text:
        return None
    found = _WRONG.search(text)
    if found is None:
        return None
    if found[0] == "\0":
        return "a NUL byte; is this a text file? (UTF-16 text needs --set encoding=utf-16)"
    if not "\udc80" <= found[0] <= "\udcff":
        return "half a character (a lone surrogate)"
    byte = ord(found[0]) - 0xDC00
    return f"byte 0x{byte:02x} is not {encoding}; if it is text, save it as UTF-8 or say --set encoding=gb18030 or the like"


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what the operating system, gzip or a codec raises into a DataError that names the file."""
    try:
        yield
    except gzip.BadGzipFile:
        raise DataError("the name ends in .gz but the content is not gzip, or it is damaged", file=path) from None
    except UnicodeError as error:
        raise DataError(
            f"wrong encoding: {error}; say the right one, as in --set encoding=gb18030", file=path
        ) from None
    except _READ_ERRORS as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"cannot be read: {reason}", file=path) from None
