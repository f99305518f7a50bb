"""Lines as they arrive: whole lines of a file or of a pipe, in batches of what is there already."""

from __future__ import annotations

import codecs
import gzip
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from ..data.sources.files import codec
from ..errors import DataError, RunError

CHUNK = 1 << 20  # bytes of one read at most; a pipe gives less


def open_lines(path: Path) -> BinaryIO:
    """The bytes of a file of lines, gzip or not. Raises DataError."""
    if path.is_dir():
        raise DataError("is a folder; predict reads a file of lines, or a pipe", file=path)
    if not path.exists():
        raise DataError("there is no such file", file=path)
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def batches(
    stream: Any,
    *,
    name: object,
    encoding: Callable[[bytes], str] = lambda start: "utf-8",
    size: int = 256,
    full: bool = False,
) -> Iterator[tuple[list[str], str]]:
    """Lists of at most `size` lines without their ends, and the encoding, which is chosen by the first bytes.

    A slow pipe gives what it has; an empty line is a line. With `full`, every list but the last has `size` lines, however the
    bytes arrive: the batches, and thus the rounding of the results, are those of a table with the same rows.

    Bytes that are not text in `encoding` stay in the line as half characters, as in the files that are trained on. Raises
    DataError, with the row, where the encoding cannot go on after such bytes (utf-16).
    """
    decoder: codecs.IncrementalDecoder | None = None
    rest, done, used = "", 0, ""
    held: list[str] = []  # lines that do not fill a list yet
    while True:
        try:
            data = stream.read1(CHUNK)
            if decoder is None:
                used = encoding(data)
                decoder = codecs.getincrementaldecoder(codec(used))("surrogateescape")
            text = rest + decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            row = done + len(held) + rest.count("\n") + error.object[: error.start].count(b"\n") + 1
            raise DataError(f"is not {used} text ({error.reason})", file=name, row=row) from None
        except (EOFError, OSError, zlib.error) as error:  # a gzip file cut short
            raise DataError(f"cannot be read ({error})", file=name) from None
        if done == 0 and not held and not rest:
            text = text.removeprefix("\ufeff")
        *lines, rest = text.split("\n")
        if not data and rest:
            lines.append(rest)
        lines, held = [*held, *lines], []
        if full and data:
            complete = len(lines) - len(lines) % size
            lines, held = lines[:complete], lines[complete:]
        for start in range(0, len(lines), size):
            part = [line.removesuffix("\r") for line in lines[start : start + size]]
            done += len(part)
            yield part, used
        if not data:
            return


@contextmanager
def _naming(name: object) -> Iterator[None]:
    """Name the output in an error of the operating system, such as a full disk: a failed write does not."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.filename is not None:
            raise
        raise RunError(f"{name}: cannot be written ({error.strerror or error})") from None


@contextmanager
def output(out: Path | None, *, overwrite: bool) -> Iterator[TextIO]:
    """Standard output, or a file that is written beside `out` and takes its name when all is done.

    Raises RunError where `out` exists and may not be replaced.
    """
    if out is None:
        with _naming("standard output"):
            yield sys.stdout
            sys.stdout.flush()
        return
    if out.exists() and not overwrite:
        raise RunError(f"{out} exists already: name another --out, or add --overwrite")
    if not out.parent.is_dir():
        what = "is a file, not a folder" if out.parent.exists() else "there is no such folder"
        raise RunError(f"{out.parent}: {what}; name another --out")
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        with _naming(out), part.open("w", encoding="utf-8") as file:
            yield file
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
