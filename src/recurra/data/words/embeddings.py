"""Files of pretrained word embeddings, read as a stream: only the embeddings of requested words are kept in memory.

    GloVe             a word per line: the word, a space, D numbers separated by spaces
    word2vec, text    the same after a header line with the number of words and D; fastText's .vec files have this format
    word2vec, binary  the header line, then for each word: the word, a space, D little-endian float32 numbers

Each may be compressed by gzip (.gz). Pennington et al. 2014; Mikolov et al. 2013, arXiv:1301.3781; Bojanowski et al. 2017.
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

_FASTTEXT_MODEL = bytes.fromhex("ba164f2f")  # the first bytes of a fastText model (.bin), which is not supported
_PICKLES = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))  # the first bytes of a pickle
_CHUNK = 1 << 20  # bytes
_MAX_LINE = 1 << 20  # bytes
_MAX_WORD = 1000  # bytes
_WHITESPACE = b" \t\r\n"

Entry = tuple[bytes, Callable[[], NDArray[np.float32]]]
EXACT, LOWERCASE, NORMALIZED = 3, 2, 1  # how a word was matched; a higher value is a closer match


class MatchedEmbeddings(NamedTuple):
    """The embeddings of N words.

    embeddings  (N, D): the embeddings, 0 for a word that is not in the file
    match       (N,): EXACT, LOWERCASE or NORMALIZED, 0 for a word that is not in the file
    """

    embeddings: NDArray[np.float32]
    match: NDArray[np.int8]


class EmbeddingFile:
    """A file of word embeddings. Raises DataError if its beginning has none of the supported formats.

    Attributes:
        form: "text" or "binary".
        size: D, the number of values per word.
        count: The number of words according to the header; None if there is no header.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        check_file(self.path)
        with reading(self.path), open_binary(self.path) as stream:
            first = stream.readline(_MAX_LINE)
            sample = stream.read(4096)
        if first.startswith(_FASTTEXT_MODEL):
            raise DataError(
                "this is a fastText model (.bin), which is not supported; use its embeddings as text (.vec) or in the word2vec "
                "format",
                file=self.path,
            )
        if first.startswith(_PICKLES):
            raise DataError(
                "this is a Python object as saved by gensim or glove-python (pickle), which is not read, because opening one "
                "executes code; in gensim write vectors.save_word2vec_format('vectors.bin', binary=True) (model.wv of a "
                "model); for glove-python write a line per word: the word and its numbers",
                file=self.path,
            )
        fields = first.split()
        self.count: int | None = None
        self.form: Literal["text", "binary"] = "text"
        self.size = len(fields) - 1
        if len(fields) == 2 and all(field.isdigit() for field in fields):
            self.count, self.size = int(fields[0]), int(fields[1])
            if not self.count or not self.size:
                raise self._error("line 1", f"the header announces {self.count} words of {self.size} numbers")
            if suffixes(self.path)[0] == ".bin" or not _is_text(sample):
                self.form = "binary"
        elif self.size < 1 or not _is_text(first) or _parse_numbers(fields[1:]) is None:
            raise self._error(
                "line 1", "expected a word and its numbers, or the number of words and the number of values"
            )

    def entries(self) -> Iterator[Entry]:
        """Iterate over the words in UTF-8, each with a function that returns its embedding (D,).

        Both raise DataError with the line or byte if the file is damaged.
        """
        with reading(self.path), open_binary(self.path) as stream:
            if self.count is not None:
                stream.readline(_MAX_LINE)
            yield from self._text_entries(stream) if self.form == "text" else self._binary_entries(stream)

    def _text_entries(self, stream: IO[bytes]) -> Iterator[Entry]:
        D, first = self.size, 1 if self.count is None else 2
        number = first - 1
        empty: int | None = None
        for number, line in enumerate(stream, first):
            line = line.rstrip(_WHITESPACE)
            if not line:
                empty = empty or number
                continue
            if empty:
                raise self._error(f"line {empty}", "the line is empty")
            word, _, rest = line.partition(b" ")
            if not word or rest.count(b" ") != D - 1:
                word, rest = self._split(line, number)  # tabs, or spaces within the word

            def vector(rest: bytes = rest, number: int = number) -> NDArray[np.float32]:
                values = _parse_numbers(rest.split())
                if values is None or len(values) != D:
                    raise self._error(f"line {number}", f"expected {D} finite numbers after the word")
                return values

            yield word, vector
        lines = (empty or number + 1) - first
        if self.count is not None and lines < self.count:
            raise self._error(
                f"line {lines + 1}", f"the file ends after {lines:,} of {self.count:,} words: it is truncated"
            )

    def _split(self, line: bytes, number: int) -> tuple[bytes, bytes]:
        """The word and the numbers of a line, if the word contains spaces or tabs separate the numbers."""
        D, fields = self.size, line.split()
        too_many = len(fields) > D + 1 and _parse_numbers(fields[-D - 1 : -D]) is not None
        if len(fields) < D + 1 or too_many:
            raise self._error(
                f"line {number}", f"the line has {len(fields) - 1} numbers; expected {D}, as in the previous lines"
            )
        return b" ".join(fields[:-D]), b" ".join(fields[-D:])

    def _binary_entries(self, stream: IO[bytes]) -> Iterator[Entry]:
        assert self.count is not None
        buffer, at, offset = b"", 0, len(f"{self.count} {self.size}\n")  # offset of the buffer in the file
        for n in range(self.count):
            while (end := buffer.find(b" ", at)) < 0 or len(buffer) < end + 1 + 4 * self.size:
                if (len(buffer) - at if end < 0 else end - at) > _MAX_WORD:
                    raise self._error(f"byte {offset + at}", f"word {n + 1:,} was not found: the file is damaged")
                chunk = stream.read(_CHUNK)
                if not chunk:
                    problem = f"the file ends within word {n + 1:,} of {self.count:,}: it is truncated"
                    raise self._error(f"byte {offset + len(buffer)}", problem)
                buffer, offset, at = buffer[at:] + chunk, offset + at, 0
            word = buffer[at:end].lstrip(b"\n")
            if not word or len(word) > _MAX_WORD:
                raise self._error(f"byte {offset + at}", f"word {n + 1:,} was not found: the file is damaged")
            place, begin, at = f"byte {offset + at}", end + 1, end + 1 + 4 * self.size

            def vector(raw: bytes = buffer, begin: int = begin, place: str = place) -> NDArray[np.float32]:
                values = np.frombuffer(raw, "<f4", self.size, begin).astype(np.float32)
                if not np.isfinite(values).all():
                    raise self._error(place, "the numbers of the word are not finite: the file is damaged")
                return values

            yield word, vector
        if (buffer[at:] + stream.read(_MAX_WORD)).strip():
            problem = f"there is more data after the {self.count:,} words of {self.size} numbers that line 1 announces"
            raise self._error(f"byte {offset + at}", problem)

    def _error(self, place: str, problem: str) -> DataError:
        return DataError(f"{place}: {problem}; this is not a valid file of word embeddings", file=self.path)


def find_embeddings(
    file: EmbeddingFile,
    words: Sequence[str],
    normalize: Callable[[str], str] | None,
    on_progress: Callable[[int], None],
) -> MatchedEmbeddings:
    """Read the embeddings of `words`.

    A word has the embedding of the same word in the file; otherwise that of its lower case; otherwise that of the first word in
    the file that `normalize` maps to it.

    Args:
        file: The file.
        words: The words, in the form of the vocabulary.
        normalize: Converts a word of the file to the form of the vocabulary, such as lower case with digits as 0.
        on_progress: Is called with the number of words read.

    Raises:
        DataError: If the file is damaged or contains none of the words.
    """
    exact = {word.encode("utf-8", "surrogatepass"): at for at, word in enumerate(words)}
    lower: dict[bytes, list[int]] = {}
    for at, word in enumerate(words):
        if word.lower() != word:
            lower.setdefault(word.lower().encode("utf-8", "surrogatepass"), []).append(at)
    found = MatchedEmbeddings(np.zeros((len(words), file.size), np.float32), np.zeros(len(words), np.int8))
    read = 0
    examples: list[str] = []
    for read, (entry, vector) in enumerate(file.entries(), 1):
        if read % 50_000 == 0:
            on_progress(read)
        if len(examples) < 3:
            examples.append(entry.decode("utf-8", "replace"))
        matches = [(at, LOWERCASE) for at in lower.get(entry, ())]
        if (same := exact.get(entry)) is not None:
            matches.append((same, EXACT))
        elif normalize is not None and (other := normalize(entry.decode("utf-8", "replace")).encode()) != entry:
            matches += [(at, NORMALIZED) for at in (exact.get(other),) if at is not None]
        for at, match in matches:
            if match > found.match[at]:
                found.embeddings[at], found.match[at] = vector(), match
    if not found.match.any():
        raise DataError(
            f"none of its {read:,} words (such as {', '.join(map(repr, examples))}) is among the {len(words):,} words of the "
            f"training data (such as {', '.join(map(repr, words[:3]))}); check their language and tokenization",
            file=file.path,
        )
    return found


def _is_text(sample: bytes) -> bool:
    """Whether bytes are UTF-8 text without control characters; the last character may be incomplete."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return min(sample, default=9) >= 9


def _parse_numbers(fields: Sequence[bytes]) -> NDArray[np.float32] | None:
    """The numbers, or None if one is not a finite number."""
    try:
        values = np.fromiter(map(float, fields), np.float32, len(fields))
    except ValueError:
        return None
    return values if np.isfinite(values).all() else None
