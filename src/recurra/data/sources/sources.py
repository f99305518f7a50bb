"""Opens data by name: a file by its suffix and its content, a folder of classes, `hf:NAME`, or a built-in dataset."""

from __future__ import annotations

from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from recurra.data import sets
from recurra.data.media.idx import IdxImages, idx_files, is_idx
from recurra.data.sources.files import bare_name, check_file, codec, open_lines, reading, suffixes
from recurra.data.sources.folders import ClassFolder, media_column
from recurra.data.sources.hub import Hub
from recurra.data.sources.inspect.facts import FileFacts, ReadOptions
from recurra.data.sources.inspect.inspect import JSON_SUFFIXES, TABLE_SUFFIXES, inspect_file
from recurra.data.sources.json_rows import JsonLines, JsonList, json_object_problem
from recurra.data.sources.rows import FIRST_ROWS, Broken, Row, Source
from recurra.data.sources.speech_folders import KaldiFolder, LibriSpeech, is_kaldi, is_librispeech
from recurra.data.sources.tables import Delimited, FastText
from recurra.errors import DataError, SettingError

__all__ = ["READS", "TABLES", "Broken", "Row", "Source", "is_table", "locate", "open_source"]


class Reader(NamedTuple):
    """The suffixes of a format that is no text, and its reader as module:Class of this package."""

    suffixes: tuple[str, ...]
    source: str


READERS = {
    "parquet": Reader((".parquet", ".pq"), "parquet:Parquet"),
    "feather": Reader((".feather", ".arrow", ".ipc"), "arrow:Arrow"),
    "xlsx": Reader((".xlsx", ".xlsm"), "excel:Excel"),
    "npz": Reader((".npz",), "arrays:Arrays"),
}
MIN_LINES = 8  # whose first words may be labels
BINARY = {suffix: name for name, reader in READERS.items() for suffix in reader.suffixes}
TABLES = (
    {suffix: "csv" if suffix == ".csv" else "tsv" for suffix in TABLE_SUFFIXES}
    | dict.fromkeys(JSON_SUFFIXES, "jsonl")
    | BINARY
)
CONVERT = {
    ".xls": "save it as .xlsx or as CSV (UTF-8)",
    ".ods": "save it as CSV (UTF-8)",
    ".zip": "unpack it",
    ".tar": "unpack it",
    ".tgz": "unpack it",
    ".bz2": "unpack it, or pack it as .gz",
    ".xz": "unpack it, or pack it as .gz",
    ".zst": "unpack it, or pack it as .gz",
    ".pkl": "pickle files are not read, because opening one executes code; write the table as Parquet or CSV",
    ".pickle": "pickle files are not read, because opening one executes code; write the table as Parquet or CSV",
    ".pdf": "write its text to a .txt file",
    ".docx": "save it as plain text (UTF-8)",
    ".xml": "write one JSON object per line (JSON Lines)",
    ".html": "write its text to a .txt file, or its table as CSV",
    ".sqlite": "export the table as CSV",
    ".db": "export the table as CSV",
    ".arff": "write the lines after @data as .csv, below a first line with the names of the attributes",
    ".ts": "write one series per row as .csv: its class, then its numbers",
    ".tmx": "write the sources and the targets into two text files, or into a table with two columns",
    ".npy": "write the arrays as .npz, or the table as CSV",
    ".mat": "write the arrays as .npz, or the table as CSV",
    ".h5": "write the arrays as .npz, or the table as CSV",
}
READS = (
    ".csv, .tsv, .jsonl, .json, .parquet, .feather, .xlsx (each also .gz), tables and lines of text with any other name, "
    ".npz, idx, a folder of .txt, image or audio files named by class, hf:NAME, a built-in dataset"
)


def is_table(path: str | Path) -> bool:
    """Whether the name is that of a table or a folder. JSON Lines do not count: each line is an object by itself."""
    if is_idx(Path(path)) or Path(path).is_dir():
        return True
    return TABLES.get(suffixes(Path(path))[0], "jsonl") != "jsonl"


def locate(data: str | Path) -> tuple[Path, str]:
    """Return the file or folder of `data` and its short name. A built-in dataset is created first."""
    path = Path(data).expanduser()
    if path.exists():
        return path, bare_name(path) if path.is_file() else path.resolve().name
    if sets.is_built_in(data):
        return sets.make(str(data)), str(data)
    raise DataError(
        f"there is no such file, folder or built-in dataset (datasets: {', '.join(sets.known())})", file=data
    )


def inspect(data: str | Path, options: ReadOptions | None = None, trained: FileFacts | None = None) -> FileFacts | None:
    """Return the facts of a file of text; None for a folder, `hf:NAME` and a file of another type.

    Raises:
        DataError: the file does not exist, is empty, or cannot be read.
    """
    if str(data).startswith("hf:"):
        return None
    path, _ = locate(data)
    if path.is_dir() or is_idx(path) or suffixes(path)[0] in BINARY:
        return None
    check_readable(path)
    return inspect_file(path, options, trained)


def check_readable(path: Path) -> None:
    """Raise DataError for a file that is empty or of a type that is known not to be readable."""
    suffix = suffixes(path)[0]
    if suffix in CONVERT:
        raise DataError(f"{suffix} cannot be read: {CONVERT[suffix]}. Supported: {READS}", file=path)
    check_file(path)


def open_source(
    data: str | Path,
    *,
    encoding: str = "auto",
    skip_broken: bool = False,
    options: ReadOptions | None = None,
    trained: FileFacts | None = None,
    unlabeled: bool = False,
) -> Source:
    """Open the rows of a dataset.

    Args:
        data: a file, a folder, `hf:NAME`, or the name of a built-in dataset.
        encoding: the encoding of text files; detected by default.
        skip_broken: skip rows that cannot be parsed instead of raising.
        options: how a file of text is read, where it is not detected; replaces `encoding`.
        trained: the facts of the training file, for data that are given to a trained run.
        unlabeled: whether the names of media files in a folder need no class.

    Raises:
        DataError: the data do not exist, are empty, or have an unknown format.
    """
    options = options or ReadOptions(encoding=encoding)
    if str(data).startswith("hf:"):
        return Hub(str(data)[3:], skip_broken=skip_broken)
    if options.encoding != "auto":
        codec(options.encoding)
    path, name = locate(data)
    plain = "utf-8" if options.encoding == "auto" else options.encoding
    if path.is_dir():
        return _folder(path, name, plain, options, skip_broken, unlabeled)
    if is_idx(path):
        check_file(path)
        return IdxImages(path, name, encoding=plain, skip_broken=skip_broken)
    if (format := BINARY.get(suffixes(path)[0])) is not None:
        check_file(path)
        module, _, cls = READERS[format].source.partition(":")
        reader: type[Source] = getattr(import_module(f"recurra.data.sources.{module}"), cls)
        source = reader(path, name, encoding=plain, skip_broken=skip_broken, format=format)
        source.options = options
        return source
    check_readable(path)
    return _text_source(inspect_file(path, options, trained), name, options, skip_broken)


def _text_source(facts: FileFacts, name: str, options: ReadOptions, skip_broken: bool) -> Source:
    """Open a file of text whose facts are known."""
    path, encoding = facts.path, facts.encoding or "utf-8"
    for option in ("separator", "header", "quoting"):
        if (value := getattr(options, option)) != "auto" and not facts.is_delimited:
            raise SettingError(f"{option} is {value}, but {path} is not a CSV or TSV file; leave {option} out")
    if facts.is_delimited:
        return Delimited(path, name, facts=facts, skip_broken=skip_broken)
    readers: dict[str, type[Source]] = {"jsonl": JsonLines, "json": JsonList, "fasttext": FastText}
    if facts.format in readers:
        source = readers[facts.format](path, name, encoding=encoding, skip_broken=skip_broken, format=facts.format)
        source.facts = facts
        return source
    if facts.format == "json object":
        raise DataError(json_object_problem(path, encoding), file=path)
    raise DataError(
        "the lines have no columns: no separator (tab, comma, semicolon, |) divides them into equally many cells; name one "
        f"with --separator, or use a table: {READS}{_label_hint(path, encoding)}",
        file=path,
    )


def _label_hint(path: Path, encoding: str) -> str:
    """The end of a message about lines that begin with a word that repeats, which may be their label."""
    with reading(path), open_lines(path, encoding, None) as stream:
        words = [line.split(maxsplit=1)[0] for line in islice(stream, FIRST_ROWS) if line.strip()]
    if len(words) < MIN_LINES or 4 * len(set(words)) > len(words):
        return ""
    return f". If the first word ({words[0]!r:.30}) is the label of each line, write a tab after it"


def _folder(path: Path, name: str, encoding: str, options: ReadOptions, skip_broken: bool, unlabeled: bool) -> Source:
    """Open a folder by its content: idx files, one table with the files that it names, or a folder of classes."""
    with reading(path):
        inside = sorted(path.iterdir())
        idx = idx_files(path)
    if idx:
        return IdxImages(path, name, encoding=encoding, skip_broken=skip_broken)
    for is_corpus, reader in ((is_kaldi, KaldiFolder), (is_librispeech, LibriSpeech)):
        if is_corpus(path):
            corpus: Source = reader(path, name, encoding=encoding, skip_broken=skip_broken)
            return corpus
    tables = [p for p in inside if p.is_file() and suffixes(p)[0] in TABLES]
    deep = any(media_column(p) for folder in inside if folder.is_dir() for p in folder.iterdir())
    if len(tables) == 1 and (deep or any(media_column(p) or p.suffix == ".npy" for p in inside)):
        return open_source(tables[0], skip_broken=skip_broken, options=options)
    folder = ClassFolder(path, name, encoding=encoding, skip_broken=skip_broken)
    folder.unlabeled = unlabeled
    folder._files  # noqa: B018  raises the errors of the folder
    return folder
