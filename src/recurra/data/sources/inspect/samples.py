"""Bytes from the start, the middle and the end of a file, in constant memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from recurra.data.sources.files import open_binary, reading, suffixes

HEAD = 1 << 20  # bytes at the start
PIECE = 1 << 16  # bytes of each other sample
PIECES = 8


@dataclass(frozen=True)
class Samples:
    """Samples of the bytes of a file.

    Attributes:
        head: the start of the file, unpacked.
        pieces: samples of the rest, in order; the last one is the end. They may begin and end within a character.
        size: bytes of the file on the disk.
        total: bytes of the content; an estimate for a gzipped file that is longer than `head`.
        complete: whether `head` is the whole content.
    """

    head: bytes
    pieces: tuple[bytes, ...]
    size: int
    total: int
    complete: bool


def take_samples(path: Path) -> Samples:
    """Read samples of a file. A gzipped file is sampled at its start only. Raises DataError if it cannot be read."""
    with reading(path):
        size = path.stat().st_size
        with open_binary(path) as stream:
            head = stream.read(HEAD)
            rest = stream.read(1)
            if suffixes(path)[1]:
                if not rest:
                    return Samples(head, (), size, len(head), True)
                return Samples(head, (), size, _unpacked_size(path, len(head)), False)
            if not rest:
                return Samples(head, (), size, len(head), True)
            pieces = []
            for at in range(1, PIECES + 1):
                start = HEAD + (size - HEAD - PIECE) * at // PIECES
                stream.seek(max(start - start % 4, HEAD))
                pieces.append(stream.read(PIECE))
    return Samples(head, tuple(pieces), size, size, False)


def _unpacked_size(path: Path, least: int) -> int:
    """The size of the content of a gzipped file, which its last four bytes have modulo 2^32 (RFC 1952)."""
    with path.open("rb") as stream:
        stream.seek(-4, 2)
        size = int.from_bytes(stream.read(4), "little")
    return size if size >= least else least + size
