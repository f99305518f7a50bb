"""How the files of a dataset are read: the options of the user, what is detected in a file, and what the training file was.

The precedence is: an option, then what is detected with certainty, then what the training file was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import final

from recurra.data.media.idx import is_idx
from recurra.data.sources.files import AUTO, suffixes
from recurra.data.sources.inspect.cells import describe_column
from recurra.data.sources.inspect.encodings import MIN_CONFIDENCE, detect_encoding
from recurra.data.sources.inspect.facts import ColumnFacts, FileFacts, ReadOptions, separator_of
from recurra.data.sources.rows import Source
from recurra.data.sources.sources import BINARY, inspect, locate, open_source
from recurra.data.store.encoded_cache import EncodedCache
from recurra.settings import DataSettings

READ_SETTINGS = ("encoding", "separator", "header", "quoting")
MAX_DESCRIBED = 200  # rows of a source that is not text, from which its columns are described


@final
class FileReading:
    """Opens the files of a dataset.

    Args:
        settings: the settings of the data.
        named: returns the columns that the user has named; a first line with one of them is a header.

    Attributes:
        trained: the facts of the training file, for a trained run; None while training.
        cache: where encoded data are kept for later runs; None: they are not kept.
        special: returns the facts of a file in a format that only this dataset reads, or None for another file.
    """

    def __init__(self, settings: DataSettings, named: Callable[[], Iterable[str]] = tuple) -> None:
        self.settings, self.named = settings, named
        self.special: Callable[[Path, ReadOptions], FileFacts | None] = lambda path, options: None
        self.trained: FileFacts | None = None
        self.cache: EncodedCache | None = None
        self._explicit: Collection[str] = READ_SETTINGS

    def begin_use(self, trained: FileFacts | None, changed: Collection[str]) -> None:
        """Read files for a trained run: of the settings, only those in `changed` are options that the user has given now."""
        if trained is not None:
            self.trained, self._explicit = trained, changed

    @property
    def options(self) -> ReadOptions:
        """The options that the user has given."""
        given = {name: getattr(self.settings, name) for name in READ_SETTINGS if name in self._explicit}
        if "separator" in given:
            given["separator"] = separator_of(given["separator"])
        return ReadOptions(named=tuple(self.named()), **given)

    def encoding_of(self, start: bytes) -> str:
        """Return the encoding of a stream that begins with these bytes: an option, the detected one, or the trained one."""
        detected = detect_encoding(start)
        if self.encoding != AUTO:
            return self.encoding
        known = None if self.trained is None else self.trained.encoding
        return known if detected.confidence < MIN_CONFIDENCE and known is not None else detected.name

    @property
    def encoding(self) -> str:
        """The encoding that the user has named, or "auto"."""
        return self.options.encoding

    @property
    def skip_broken(self) -> bool:
        """Whether rows that cannot be parsed are skipped."""
        return self.settings.on_error == "skip"

    def open(self, data: str | Path, *, unlabeled: bool = False) -> Source:
        """Open the rows of a file, a folder, a built-in dataset or `hf:NAME`. Raises DataError if that is not possible.

        unlabeled   whether the media files of a folder need no class, as inputs of `predict`
        """
        return open_source(
            data, skip_broken=self.skip_broken, options=self.options, trained=self.trained, unlabeled=unlabeled
        )

    def facts(self, data: str | Path) -> FileFacts:
        """Return the facts of data of any format.

        Raises:
            DataError: the data do not exist, are empty, or cannot be read.
        """
        if str(data).startswith("hf:"):
            return FileFacts(Path(str(data)), "hub")
        path, _ = locate(data)
        if (facts := self.special(path, self.options) or inspect(data, self.options, self.trained)) is not None:
            return facts
        if path.is_dir() or is_idx(path):
            return FileFacts(path, "folder" if path.is_dir() else "idx")
        return source_facts(self.open(data))

    def is_table(self, data: str | Path) -> bool:
        """Whether a file given to `predict` has rows with columns; else each of its lines is an input.

        JSON Lines do not count, as each line is an object by itself. A file whose name does not say that it is a table is
        one if it is divided by tabs, or as the training file was.
        """
        path, _ = locate(data)
        if path.is_dir() or is_idx(path) or suffixes(path)[0] in BINARY:
            return True
        facts = inspect(path, self.options, self.trained)
        if facts is None or facts.format in ("jsonl", "text"):
            return False
        if not facts.is_delimited or suffixes(path)[0] in (".csv", ".tsv", ".tab") or facts.separator == "\t":
            return True
        if self.options.separator != "auto" or self.options.header == "yes":
            return True
        trained = self.trained
        return (
            trained is not None
            and trained.separator == facts.separator
            and (set(trained.names) <= set(facts.names) if facts.header else len(trained.names) == len(facts.names))
        )


def source_facts(source: Source) -> FileFacts:
    """Return the facts of rows that do not come from a file of text."""
    size, rows = source.path.stat().st_size, len(source.first_rows()[:MAX_DESCRIBED])
    columns = describe_columns(source)
    return FileFacts(source.path, source.format, size, columns=columns, sampled_rows=rows)


def describe_columns(source: Source) -> tuple[ColumnFacts, ...]:
    """Return the facts of the columns of a source by its first rows."""
    rows = source.first_rows()[:MAX_DESCRIBED]
    return tuple(describe_column(name, [row.values.get(name) for row in rows]) for name in source.columns)
