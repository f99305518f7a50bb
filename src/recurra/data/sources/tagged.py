"""Opens tagged text of any form: files of columns, parallel files, tables of lists or of tokens, and texts with spans.

The columns of the source are lists with an entry for each token, or labels of the sentence. `describe_source` says what was
recognized.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recurra.data.sources.conll import Conllu, TokenColumns, looks_like_conllu, sample_lines
from recurra.data.sources.files import bare_name, check_file, codec, suffixes
from recurra.data.sources.list_cells import ListCells
from recurra.data.sources.parallel_tags import ParallelFiles, with_gz
from recurra.data.sources.rows import Source
from recurra.data.sources.sources import TABLES, locate, open_source
from recurra.data.sources.span_documents import SpanDocument, is_document
from recurra.data.sources.text_spans import TextSpans, find_span_columns
from recurra.data.sources.token_rows import TokenRows, sentence_column
from recurra.errors import DataError


def open_tagged(
    data: str | Path, *, encoding: str = "utf-8", skip_broken: bool = False, tokenization: str | None = None
) -> Source:
    """Open a file, folder or dataset of tagged sequences.

    Args:
        data: a file, a folder, `hf:NAME`, or the name of a built-in dataset.
        encoding: the encoding of text files.
        skip_broken: skip rows that cannot be parsed instead of raising.
        tokenization: how texts with spans are split into tokens: words (the default) or characters.

    Raises:
        DataError: the data are missing, empty or not supported.
    """
    options: dict[str, Any] = {"encoding": encoding, "skip_broken": skip_broken}
    if str(data).startswith("hf:"):
        return _view(open_source(data, **options), tokenization)
    codec(encoding)
    path, name = locate(data)
    if path.is_dir():
        if with_gz(path / "seq.in") is None:
            raise DataError(
                "there is no seq.in in this folder; expected seq.in, seq.out and, optionally, label", file=path
            )
        return ParallelFiles(path, name, **options)
    check_file(path)
    if is_document(path, encoding):
        return _view(SpanDocument(path, name, **options), tokenization)
    form = _format(path, encoding)
    if form == "table":
        return _view(open_source(path, **options), tokenization)
    return (Conllu if form == "conllu" else TokenColumns)(path, bare_name(path), **options)


def _view(table: Source, tokenization: str | None) -> Source:
    """The view of a table whose rows are sentences: with spans as tags, with one token per row, or with lists."""
    if spans := find_span_columns(table):
        return TextSpans(table, *spans, tokenization or "words")
    if by := sentence_column(table):
        return TokenRows(table, by)
    return ListCells(table)


def describe_source(source: Source) -> list[str]:
    """What a source contains besides tokens, such as a header or comments; complete after it has been read."""
    if isinstance(source, (TokenColumns, TokenRows, TextSpans)):
        return source.describe()
    if isinstance(source, ListCells) and source.lists and source.inner.format not in ("jsonl", "parquet", "hub"):
        return [f"the cells of {', '.join(source.lists)} are lists"]
    return []


def _format(path: Path, encoding: str) -> str:
    """The format of a file: table, conllu or columns."""
    table = TABLES.get(suffixes(path)[0])
    if table in ("jsonl", "parquet", "npz"):
        return "table"
    lines = sample_lines(path, encoding)
    if not any(line.strip(" \t") for line in lines):
        raise DataError("there are no rows of data", file=path)
    if looks_like_conllu(lines):
        return "conllu"
    while not lines[-1].strip(" \t"):
        lines.pop()
    if table is not None and all(line.strip(" \t") for line in lines):
        return "table"  # a header and rows without blank lines between them
    return "columns"
