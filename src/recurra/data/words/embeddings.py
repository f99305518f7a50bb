"""Word vectors that others trained, read as a stream: only those of the words asked for are kept.

    GloVe            a line a word: the word, a blank, D numbers
    word2vec, text   the same after a line with the number of words and D; fastText's .vec is this too
    word2vec, binary that first line, then for each word: the word, a blank, D little-endian float32

Each may be gzipped (.gz). Pennington et al. 2014; Mikolov et al. 2013, arXiv:1301.3781; Bojanowski et al. 2017.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recurra.data.sources.files import check_file, open_binary, reading, suffixes
from recurra.errors import DataError

_FASTTEXT_MODEL = bytes.fromhex("ba164f2f")  # how fastText's own .bin begins: a model, not vectors
_CHUNK = 1 << 20  # bytes
_LONGEST = 1 << 20  # bytes of a line
_LONGEST_WORD = 1000  # bytes
_BLANKS = b" \t\r\n"

Entry = tuple[bytes, Callable[[], NDArray[np.float32]]]
EXACT, LOWER, NORMAL = 3, 2, 1  # how a word was found; the larger the nearer


class Found(NamedTuple):
    """vectors (N, D), zero where there is none; how (N,): EXACT, LOWER, NORMAL, or 0 where there is none."""

    vectors: NDArray[np.float32]
    how: NDArray[np.int8]


class EmbeddingFile:
    """The head of a file of vectors: its form, D as `size`, and the words it says it has. DataError where it is none."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        check_file(self.path)
        with reading(self.path), open_binary(self.path) as stream:
            first = stream.readline(_LONGEST)
            sample = stream.read(4096)
        if first.startswith(_FASTTEXT_MODEL):
            raise DataError(
                "this is a model of fastText's (.bin); give its vectors as text (.vec), or in word2vec's format",
                file=self.path,
            )
        fields = first.split()
        self.count: int | None = None
        self.form: Literal["text", "binary"] = "text"
        self.size = len(fields) - 1
        if len(fields) == 2 and all(field.isdigit() for field in fields):
            self.count, self.size = int(fields[0]), int(fields[1])
            if not self.count or not self.size:
                raise self._wrong("line 1", f"says {self.count} words of {self.size} numbers")
            if suffixes(self.path)[0] == ".bin" or not _is_text(sample):
                self.form = "binary"
        elif self.size < 1 or not _is_text(first) or _numbers(fields[1:]) is None:
            raise self._wrong("line 1", "is neither a word and its numbers nor the number of words and of numbers")

    def entries(self) -> Iterator[Entry]:
        """Each word in UTF-8, and a call that gives its vector (D,). DataError, with the line or byte, where it is broken."""
        with reading(self.path), open_binary(self.path) as stream:
            if self.count is not None:
                stream.readline(_LONGEST)
            yield from self._of_text(stream) if self.form == "text" else self._of_binary(stream)

    def _of_text(self, stream: IO[bytes]) -> Iterator[Entry]:
        D, first = self.size, 1 if self.count is None else 2
        number = first - 1
        empty: int | None = None
        for number, line in enumerate(stream, first):
            line = line.rstrip(_BLANKS)
            if not line:
                empty = empty or number
                continue
            if empty:
                raise self._wrong(f"line {empty}", "is empty")
            word, _, rest = line.partition(b" ")
            if not word or rest.count(b" ") != D - 1:
                word, rest = self._parted(line, number)  # tabs, or a word with blanks in it

            def vector(rest: bytes = rest, number: int = number) -> NDArray[np.float32]:
                values = _numbers(rest.split())
                if values is None or len(values) != D:
                    raise self._wrong(f"line {number}", f"has something else than {D} finite numbers after the word")
                return values

            yield word, vector
        lines = (empty or number + 1) - first
        if self.count is not None and lines < self.count:
            raise self._wrong(f"line {lines + 1}", f"is the last, {lines:,} of {self.count:,} words: it is cut short")

    def _parted(self, line: bytes, number: int) -> tuple[bytes, bytes]:
        D, fields = self.size, line.split()
        more = len(fields) > D + 1 and _numbers(fields[-D - 1 : -D]) is not None  # else the word has blanks in it
        if len(fields) < D + 1 or more:
            raise self._wrong(f"line {number}", f"has {len(fields) - 1} numbers, wanted {D} as in the lines before")
        return b" ".join(fields[:-D]), b" ".join(fields[-D:])

    def _of_binary(self, stream: IO[bytes]) -> Iterator[Entry]:
        assert self.count is not None
        buffer, at, passed = b"", 0, len(f"{self.count} {self.size}\n")
        for n in range(self.count):
            while (end := buffer.find(b" ", at)) < 0 or len(buffer) < end + 1 + 4 * self.size:
                if (len(buffer) - at if end < 0 else end - at) > _LONGEST_WORD:
                    raise self._wrong(f"byte {passed + at}", f"wanted word {n + 1:,}, found none: it is damaged")
                more = stream.read(_CHUNK)
                if not more:
                    said = f"it ends inside word {n + 1:,} of {self.count:,}: it is cut short"
                    raise self._wrong(f"byte {passed + len(buffer)}", said)
                buffer, passed, at = buffer[at:] + more, passed + at, 0
            word = buffer[at:end].lstrip(b"\n")
            if not word or len(word) > _LONGEST_WORD:
                raise self._wrong(f"byte {passed + at}", f"wanted word {n + 1:,}, found none: it is damaged")
            place, begin, at = f"byte {passed + at}", end + 1, end + 1 + 4 * self.size

            def vector(raw: bytes = buffer, begin: int = begin, place: str = place) -> NDArray[np.float32]:
                values = np.frombuffer(raw, "<f4", self.size, begin).astype(np.float32)
                if not np.isfinite(values).all():
                    raise self._wrong(place, "the word's numbers are not finite: it is damaged")
                return values

            yield word, vector
        if (buffer[at:] + stream.read(_LONGEST_WORD)).strip():
            said = f"more follows after {self.count:,} words of {self.size} numbers, which line 1 promises"
            raise self._wrong(f"byte {passed + at}", said)

    def _wrong(self, place: str, said: str) -> DataError:
        return DataError(f"{place}: {said}; this is no whole file of word vectors", file=self.path)


def find_embeddings(
    file: EmbeddingFile, words: Sequence[str], normal: Callable[[str], str] | None, tick: Callable[[int], None]
) -> Found:
    """The vectors of `words`: of the word as it is, else of its lower case, else of the file's first word that `normal`
    (lower case, digits as 0: as the vocabulary writes words) makes this one. DataError where no word is found."""
    exact = {word.encode("utf-8", "surrogatepass"): at for at, word in enumerate(words)}
    lower: dict[bytes, list[int]] = {}
    for at, word in enumerate(words):
        if word.lower() != word:
            lower.setdefault(word.lower().encode("utf-8", "surrogatepass"), []).append(at)
    found = Found(np.zeros((len(words), file.size), np.float32), np.zeros(len(words), np.int8))
    seen = 0
    examples: list[str] = []
    for seen, (spelt, vector) in enumerate(file.entries(), 1):
        if seen % 50_000 == 0:
            tick(seen)
        if len(examples) < 3:
            examples.append(spelt.decode("utf-8", "replace"))
        takers = [(at, LOWER) for at in lower.get(spelt, ())]
        if (one := exact.get(spelt)) is not None:
            takers.append((one, EXACT))
        elif normal is not None and (other := normal(spelt.decode("utf-8", "replace")).encode()) != spelt:
            takers += [(at, NORMAL) for at in (exact.get(other),) if at is not None]
        for at, how in takers:
            if how > found.how[at]:
                found.vectors[at], found.how[at] = vector(), how
    if not found.how.any():
        raise DataError(
            f"none of its {seen:,} words (as {', '.join(map(repr, examples))}) is one of the {len(words):,} of the "
            f"training data (as {', '.join(map(repr, words[:3]))}); are they of the same language and cut alike?",
            file=file.path,
        )
    return found


def _is_text(sample: bytes) -> bool:
    """Whether bytes are text: UTF-8, which may break off at the end, without control characters."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return min(sample, default=9) >= 9


def _numbers(fields: Sequence[bytes]) -> NDArray[np.float32] | None:
    """Finite numbers, or None where one is not."""
    try:
        values = np.fromiter(map(float, fields), np.float32, len(fields))
    except ValueError:
        return None
    return values if np.isfinite(values).all() else None
