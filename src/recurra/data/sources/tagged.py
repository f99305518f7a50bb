"""Opens tagged text of any form: files of columns, parallel files, tables of lists or of tokens, and texts with spans.

The columns of the source are lists with an entry for each token, or labels of the sentence. `Source.describe` says what was
recognized.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recurra.data.sources.column_layout import ColumnLayout
from recurra.data.sources.conll import Conllu, TokenColumns, looks_like_columns, looks_like_conllu, sample_lines
from recurra.data.sources.files import bare_name, check_file, resolved, suffixes
from recurra.data.sources.inspect.cells import describe_column
from recurra.data.sources.inspect.facts import FileFacts, ReadOptions
from recurra.data.sources.list_cells import ListCells, has_parallel_cells
from recurra.data.sources.parallel_tags import ParallelFiles, with_gz
from recurra.data.sources.reading import FileReading
from recurra.data.sources.rows import Source
from recurra.data.sources.sources import BINARY, TABLES, locate
from recurra.data.sources.span_documents import SpanDocument, is_document
from recurra.data.sources.text_spans import TextSpans, find_span_columns
from recurra.data.sources.token_rows import TokenRows, sentence_column
from recurra.errors import DataError, SettingError
from recurra.settings import DataSettings


def open_tagged(data: str | Path, reading: FileReading | None = None, *, tokenization: str | None = None) -> Source:
    """Open a file, folder or dataset of tagged sequences.

    Args:
        data: a file, a folder, `hf:NAME`, or the name of a built-in dataset.
        reading: how files are read; by default everything is detected.
        tokenization: how texts with spans are split into tokens: words (the default) or characters.

    Raises:
        DataError: the data are missing, empty or not supported.
        SettingError: an option of reading does not apply to the format.
    """
    reading = reading or FileReading(DataSettings())
    if str(data).startswith("hf:"):
        return _view(reading.open(data), tokenization)
    path, name = locate(data)
    options: dict[str, Any] = {"encoding": reading.encoding, "skip_broken": reading.skip_broken}
    if path.is_dir():
        if with_gz(path / "seq.in") is None:
            raise DataError(
                "there is no seq.in in this folder; expected seq.in, seq.out and, optionally, label", file=path
            )
        _check_options(reading.options, path, "a folder of parallel files")
        return ParallelFiles(path, name, **options)
    check_file(path)
    options["encoding"] = encoding = resolved(path, reading.encoding)
    if is_document(path, encoding):
        _check_options(reading.options, path, "a document of an annotation tool")
        return _view(SpanDocument(path, name, **options), tokenization)
    form = _format(path, encoding, reading.options)
    if form == "table":
        return _view(reading.open(path), tokenization)
    if form == "conllu":
        _check_options(reading.options, path, "a CoNLL-U file")
        return Conllu(path, bare_name(path), **options)
    layout = _layout(path, encoding, reading.options)
    if len(layout.groups) == 1 and reading.facts(path).is_delimited:
        table = reading.open(path)  # no line separates sentences, so that a column may
        if by := sentence_column(table):
            return TokenRows(table, by)
        if has_parallel_cells(table):
            return ListCells(table)
    return TokenColumns(
        path, bare_name(path), has_header=layout.has_header, separator=layout.given_separator, **options
    )


def _view(table: Source, tokenization: str | None) -> Source:
    """The view of a table whose rows are sentences: with spans as tags, with one token per row, or with lists."""
    if spans := find_span_columns(table):
        return TextSpans(table, *spans, tokenization or "words")
    if by := sentence_column(table):
        return TokenRows(table, by)
    return ListCells(table)


def tagged_facts(path: Path, options: ReadOptions) -> FileFacts | None:
    """The facts of a file of columns; None for a file of another form."""
    if not path.is_file() or TABLES.get(suffixes(path)[0]) in ("jsonl", *BINARY.values()):
        return None
    check_file(path)
    encoding = resolved(path, options.encoding)
    form = _format(path, encoding, options)
    layout = _layout(path, encoding, options)
    if form == "table" or (form == "columns" and not looks_like_columns(layout)):
        return None
    source = (Conllu if form == "conllu" else TokenColumns)(path, bare_name(path), encoding=encoding)
    width = len(source.columns)
    rows = [cells for group in layout.groups for cells in group if len(cells) == width][:200]
    return FileFacts(
        path,
        form,
        path.stat().st_size,
        encoding,
        separator=layout.separator,
        header_lines=int(layout.header is not None and form == "columns"),
        columns=tuple(describe_column(name, [row[at] for row in rows]) for at, name in enumerate(source.columns)),
        sampled_rows=len(rows),
    )


def _layout(path: Path, encoding: str, options: ReadOptions) -> ColumnLayout:
    """The layout of a file of columns, with the options of the user."""
    if options.separator == "none":
        raise SettingError(f"separator is none, but {path} must have a column of tags; leave separator out")
    has_header = {"yes": True, "no": False}.get(options.header)
    separator = None if options.separator == "auto" else options.separator
    return ColumnLayout(sample_lines(path, encoding), has_header, separator)


def _check_options(options: ReadOptions, path: Path, what: str) -> None:
    """Raise SettingError for an option that has no effect."""
    for name in ("separator", "header", "quoting"):
        if (value := getattr(options, name)) != "auto":
            raise SettingError(f"{name} is {value}, but {path} is {what}; leave {name} out")


def _format(path: Path, encoding: str, options: ReadOptions) -> str:
    """The format of a file: table, conllu or columns."""
    table = TABLES.get(suffixes(path)[0])
    if table == "jsonl" or table in BINARY.values():
        return "table"
    lines = sample_lines(path, encoding)
    if not any(line.strip(" \t") for line in lines):
        raise DataError("there are no rows of data", file=path)
    if looks_like_conllu(lines):
        return "conllu"
    while not lines[-1].strip(" \t"):
        lines.pop()
    if table is None:
        return "columns"
    if all(line.strip(" \t") for line in lines):
        return "table"  # a header and rows without blank lines between them
    layout = _layout(path, encoding, options)
    return "columns" if any(len(group) > 1 for group in layout.groups) else "table"
