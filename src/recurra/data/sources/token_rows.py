"""A table with one token per row, and a column of sentences: a view of it with one sentence per row.

The column of sentences contains the number or the name of the sentence in every row, or only in its first row, as in the
`Sentence #` of a spreadsheet. It is found by its name or by its content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from recurra.data.sources.column_layout import counts_up
from recurra.data.sources.rows import Row, Source
from recurra.errors import DataError

SENTENCE_NAMES = (
    *(
        "sentence",
        "sentenceid",
        "sentenceno",
        "sentencenumber",
        "sentencenum",
        "sentenceidx",
        "sentenceindex",
        "sentid",
    ),
    *(
        "sent",
        "sentidx",
        "sentno",
        "sid",
        "sequence",
        "sequenceid",
        "seqid",
        "text",
        "textid",
        "document",
        "documentid",
    ),
    *("docid", "doc", "tweetid", "reviewid", "exampleid", "recordid", "句子", "句子id"),
)
_EMPTY = ("", "nan", "none", "null", "na")


class TokenRows(Source):
    """Rows whose values are the lists of the values of one sentence.

    Args:
        inner: the table with one token per row.
        by: the column of sentences.
    """

    format = "token rows"

    def __init__(self, inner: Source, by: str) -> None:
        super().__init__(inner.path, inner.name, encoding=inner.encoding, skip_broken=inner.skip_broken)
        self.inner, self.by = inner, by

    @property
    def columns(self) -> list[str]:
        """The columns of the table without that of sentences."""
        return [column for column in self.inner.columns if column != self.by]

    def role_columns(self, free: Sequence[str]) -> list[str]:
        """The columns of `free` that may hold words or tags: not those of numbers of tokens."""
        rows = [row.values for row in self.first_rows()]
        several = [row for row in rows if any(len(values) > 1 for values in row.values())]
        counters = [c for c in free if several and all(counts_up([_text(cell) for cell in row[c]]) for row in rows)]
        return [column for column in free if column not in counters]

    def describe(self) -> list[str]:
        """A line about the rows and the column of sentences."""
        return [f"each row is one token; column {self.by!r} separates the sentences"]

    def _read(self) -> Iterator[Row | DataError]:
        number, name = 0, ""
        tokens: list[Row] = []
        error: DataError | None = None
        for row in self.inner._read():
            cell = "" if isinstance(row, DataError) else _text(row.values.get(self.by))
            if cell and cell != name:
                if tokens or error:
                    number += 1
                    yield error or self._sentence(number, tokens)
                name, tokens, error = cell, [], None
            if isinstance(row, DataError):
                error = error or row  # a sentence without one of its tokens is not used
            else:
                tokens.append(row)
        if tokens or error:
            yield error or self._sentence(number + 1, tokens)

    def _sentence(self, number: int, tokens: Sequence[Row]) -> Row:
        first = tokens[0]
        values = {column: [row.values.get(column) for row in tokens] for column in self.columns}
        return Row(number, values, first.file, first.line)


def sentence_column(source: Source) -> str | None:
    """The column of sentences of a table with one token per row; None for another table.

    In such a table all other texts are single words, and the value of the column changes less often than the row; a value
    does not come back later. Of several such columns (document, sentence), the one that changes most often is returned, unless
    one has a usual name.
    """
    rows = [row.values for row in source.first_rows()]
    if len(rows) < 2:
        return None
    cells = {column: [row.get(column) for row in rows] for column in source.columns}
    if any(isinstance(value, (list, dict)) for values in cells.values() for value in values[:20]):
        return None
    texts = {column: [_text(value) for value in values] for column, values in cells.items()}
    found = {column: changes for column in texts if (changes := _changes(texts[column])) is not None}
    for column in sorted(found, key=lambda column: (-_has_usual_name(column), -found[column])):
        others = [other for other in texts if other not in found]
        if len(others) >= 2 and all(_are_words(texts[other]) for other in others):
            return column
    return None


def _has_usual_name(column: str) -> bool:
    return re.sub(r"[^\w]|_", "", column.lower()) in SENTENCE_NAMES


def _changes(values: Sequence[str]) -> int | None:
    """How often the value changes; None if the column does not separate the rows into sentences of several tokens."""
    if not values[0]:
        return None
    filled = [value for value in values if value]
    runs = [value for at, value in enumerate(filled) if at == 0 or value != filled[at - 1]]
    # A sentence may recur in a sample by accident, and in a file with empty cells consecutive names differ.
    if len(runs) > 0.8 * len(values) or len(set(runs)) < 0.99 * len(runs):
        return None
    return len(runs) if len(runs) > 1 else None


def _are_words(values: Sequence[str]) -> bool:
    """Whether nearly all values are single words."""
    return sum(" " in value for value in values) <= 0.02 * len(values)


def _text(value: Any) -> str:
    text = "" if value is None else str(value).strip()
    return "" if text.lower() in _EMPTY else text
