"""The entry of the inspection: the facts of a file of text, from samples of it."""

from __future__ import annotations

import codecs
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from recurra.data.sources.files import codec, suffixes
from recurra.data.sources.records import split_records, without_empty_end

from .cells import describe_column, shortened
from .encodings import MIN_CONFIDENCE, Encoding, detect_encoding
from .facts import FileFacts, ReadOptions
from .headers import HeaderDecision, column_names, find_header
from .json_shapes import json_columns, json_shape
from .samples import Samples, take_samples
from .separators import MAX_RECORDS, TAB_SUFFIXES, Layout, find_layout

TABLE_SUFFIXES = (".csv", *TAB_SUFFIXES)
JSON_SUFFIXES = (".jsonl", ".json", ".ndjson")
LABEL_PREFIX = "__label__"
MAX_WARNINGS = 5
_KEPT = 64  # files whose facts are kept
_known: OrderedDict[tuple[object, ...], FileFacts] = OrderedDict()


def inspect_file(path: Path, options: ReadOptions | None = None, trained: FileFacts | None = None) -> FileFacts:
    """Return the facts of a file of text, which is sampled once however often this is called.

    Args:
        path: the file.
        options: what the user has set.
        trained: the facts of the training file, which decide where the file itself does not.

    Raises:
        DataError: the file cannot be read, or an option is wrong.
    """
    options = options or ReadOptions()
    state = path.stat()
    key = (path.resolve(), state.st_mtime_ns, state.st_size, options, trained)
    if key not in _known:
        _known[key] = _inspect(path, options, trained)
        while len(_known) > _KEPT:
            _known.popitem(last=False)
    return _known[key]


def _inspect(path: Path, options: ReadOptions, trained: FileFacts | None) -> FileFacts:
    samples, suffix = take_samples(path), suffixes(path)[0]
    encoding = _encoding(samples, options, trained)
    lines = _lines(samples.head, encoding.name, samples.complete)
    facts = FileFacts(
        path, "text", samples.size, encoding.name, encoding.confidence, encoding.bom, line_ends=_line_ends(lines)
    )
    if encoding.confidence < 1 and encoding.advice:
        facts = replace(facts, warnings=(f"some bytes are not {encoding.name}; {encoding.advice}",))
    if suffix in JSON_SUFFIXES:
        shape = json_shape(lines)
        rows = _count_lines(lines, samples) if shape == "jsonl" else (None, False)
        columns, sampled = json_columns(lines, shape)
        return replace(facts, format=shape, columns=columns, sampled_rows=sampled, rows=rows[0], rows_estimated=rows[1])
    if suffix not in TABLE_SUFFIXES and _is_fasttext(lines):
        rows = _count_lines(lines, samples)
        return replace(facts, format="fasttext", rows=rows[0], rows_estimated=rows[1])
    return _table(facts, lines, samples, options, trained, suffix)


def _encoding(samples: Samples, options: ReadOptions, trained: FileFacts | None) -> Encoding:
    """The encoding: that of the options, else the detected one, else that of the training file."""
    detected = detect_encoding(samples.head, samples.pieces)
    if options.encoding != "auto":
        codec(options.encoding)
        return Encoding(options.encoding, bom=detected.bom)
    if detected.confidence < MIN_CONFIDENCE and trained is not None and trained.encoding is not None:
        try:
            samples.head.decode(codec(trained.encoding), "strict" if samples.complete else "ignore")
            return Encoding(trained.encoding, 0.5)
        except UnicodeDecodeError:
            pass
    return detected


def _lines(head: bytes, encoding: str, complete: bool) -> list[str]:
    """The complete lines of the start of a file, with their ends."""
    decoder = codecs.getincrementaldecoder(codec(encoding))("surrogateescape")
    try:
        text = decoder.decode(head)
    except UnicodeDecodeError as error:  # utf-16 cannot go on after an invalid unit: reading reports it
        text = head[: error.start].decode(codec(encoding), "replace")
    lines = _split_lines(text)
    return lines if complete or len(lines) < 2 else lines[:-1]


def _split_lines(text: str) -> list[str]:
    """Lines with their ends, at \\n, \\r\\n and \\r only."""
    pieces = text.split("\n")
    lines = [f"{piece}\n" for piece in pieces[:-1]] + [piece for piece in pieces[-1:] if piece]
    if "\r" not in text:
        return lines
    split: list[str] = []
    for line in lines:
        body = line.removesuffix("\n").removesuffix("\r")
        parts = body.split("\r")
        split += [f"{part}\r" for part in parts[:-1]]
        split.append(parts[-1] + line[len(body) :])
    return split


def _line_ends(lines: Sequence[str]) -> str:
    ends = Counter("\\r\\n" if line.endswith("\r\n") else "\\n" if line.endswith("\n") else "\\r" for line in lines
                   if line[-1:] in "\r\n")  # fmt: skip
    return "\\n" if not ends else next(iter(ends)) if len(ends) == 1 else "mixed"


def _is_fasttext(lines: Sequence[str]) -> bool:
    filled = [line for line in lines[:MAX_RECORDS] if line.strip()]
    return bool(filled) and sum(line.startswith(LABEL_PREFIX) for line in filled) > 0.9 * len(filled)


# tables ----------------------------------------------------------------------------------------------------------------
def _table(
    facts: FileFacts, lines: list[str], samples: Samples, options: ReadOptions, trained: FileFacts | None, suffix: str
) -> FileFacts:
    """The facts of a table, or of text whose lines have no columns."""
    same = trained is not None and trained.is_delimited
    layout = find_layout(lines, options, suffix=suffix, expected=trained.separator if trained and same else None)
    asked = options.separator != "auto" or options.header != "auto"
    if suffix not in TABLE_SUFFIXES and layout.separator is None and not asked:
        count, estimated = _count_lines(lines, samples)
        return replace(facts, rows=count, rows_estimated=estimated)
    if not layout.records:
        return replace(facts, format=_format(layout), separator=layout.separator, quoting=layout.quoting, rows=0)
    records, preamble, header = _table_of(layout, options, trained)
    width = len(records[0]) if header.lines else layout.width
    names, notes = column_names(records, header.lines, width)
    if preamble:
        title = " ".join(cell for record in layout.records[:preamble] for cell in record if cell)
        notes.append(f"the first {preamble} lines above the header are not read: {shortened(title, 60)!r}")
    if same and trained is not None and len(trained.names) == width and (not header.lines or not trained.header):
        names = trained.names  # one of the two files has no names: the columns correspond by position
    rows = [record for record in records[header.lines :] if len(record) == width]
    columns = tuple(describe_column(name, [row[at] for row in rows]) for at, name in enumerate(names))
    count, estimated = _count_records(layout, lines, samples, preamble + header.lines)
    wrong = len(records) - header.lines - len(rows)
    warnings = [f"{wrong:,} of {len(records):,} sampled rows do not have {width} cells"] if wrong else []
    empty = [column.name for column in columns if column.type == "empty" and rows]
    if empty:
        warnings.append(f"column {', '.join(map(repr, empty[:MAX_WARNINGS]))} is empty in every sampled row")
    return replace(
        facts,
        format=_format(layout),
        separator=layout.separator,
        quoting=layout.quoting,
        preamble_lines=preamble,
        header_lines=header.lines,
        header_reason=header.reason,
        header_certain=header.certain,
        rows=count,
        rows_estimated=estimated,
        sampled_rows=len(rows),
        columns=columns,
        notes=(*layout.notes, *notes),
        warnings=(*facts.warnings, *warnings),
    )


def _table_of(
    layout: Layout, options: ReadOptions, trained: FileFacts | None
) -> tuple[list[list[str]], int, HeaderDecision]:
    """The records of the table with its header, the number of records above it, and whether there is a header."""
    if layout.preamble and options.header != "no":
        header = find_header(layout.records[layout.preamble :], options, trained)
        if header.lines and header.certain:
            return layout.records[layout.preamble :], layout.preamble, header
    header = find_header(layout.records, options, trained)
    if not header.certain and 2 * len(layout.records[0]) < layout.width:
        header = HeaderDecision(0, f"the first line has {len(layout.records[0])} of {layout.width} cells")
    return layout.records, 0, header


def _format(layout: Layout) -> str:
    return "tsv" if layout.separator == "\t" else "csv"


def _count_lines(lines: Sequence[str], samples: Samples) -> tuple[int, bool]:
    """Number of lines that are not blank, and whether it is an estimate."""
    filled = sum(bool(line.strip()) for line in lines)
    return _scaled(filled, samples)


def _count_records(layout: Layout, lines: Sequence[str], samples: Samples, header: int) -> tuple[int, bool]:
    records = sum(1 for _ in without_empty_end(split_records(iter(lines), layout.dialect)))
    count, estimated = _scaled(records, samples)
    return count if estimated else max(count - header, 0), estimated


def _scaled(count: int, samples: Samples) -> tuple[int, bool]:
    """A count in the start of the file, extrapolated to the whole file."""
    if samples.complete:
        return count, False
    estimate = count * samples.total / max(len(samples.head), 1)
    digits = max(len(str(int(estimate))) - 3, 0)
    return int(round(estimate, -digits)), True
