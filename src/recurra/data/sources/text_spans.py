"""Texts with spans of characters, as annotation tools write them: a view of such rows as tokens and BIO tags.

    [[0, 3, "PER"]]                                          doccano, spaCy
    [{"start": 0, "end": 3, "label": "PER"}]                 Rasa, Prodigy and many others; also the names of _KEYS
    {"entities": [...]}                                      spaCy
    annotations of Label Studio, also its JSON-MIN           a span is {"value": {"start", "end", "labels"}}
    {"PER": {"Ada": [[0, 2]]}}                               CLUENER; the end is inclusive

A cell of a CSV file may contain these in the syntax of JSON or Python.

The text is split into words, as `predict` splits it. A word is split where a span begins or ends within it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from recurra.data.sources.list_cells import parse_nested
from recurra.data.sources.rows import Row, Source
from recurra.data.words.pretokenize import tokenize
from recurra.errors import DataError

TOKENS, TAGS = "tokens", "tags"
TEXT_NAMES = ("text", "content", "sentence", "data", "document", "utterance", "query", "message", "文本", "句子")
SPAN_NAMES = (
    *("label", "labels", "entities", "spans", "annotations", "ner", "annotation", "tags", "slots", "completions"),
    "entity",
)
_BEGIN = ("start", "start_offset", "begin", "startOffset", "from", "start_char", "offset_start", "start_index")
_END = ("end", "end_offset", "endOffset", "to", "end_char", "offset_end", "end_index")
_TYPE = ("label", "labels", "entity", "type", "tag", "entity_group", "class", "entity_type", "category", "ner", "name")


class CharacterSpan(NamedTuple):
    """The characters from `begin` up to, not including, `end`, the type of the span, and its text if the file states it."""

    begin: int
    end: int
    type: str
    text: str | None = None


def spans_in(value: Any) -> list[CharacterSpan] | None:
    """The spans in a cell, or None if it contains none of the forms of this module. An empty list has no spans."""
    if isinstance(value, str):
        return [] if not value.strip() else spans_in(parse_nested(value))
    if isinstance(value, Mapping):
        inner = next((value[name] for name in ("entities", "spans", "result") if name in value), None)
        return _spans_by_type(value) if inner is None else spans_in(inner)
    if not isinstance(value, list):
        return None
    found: list[CharacterSpan] = []
    for item in value:
        if isinstance(item, Mapping) and isinstance(item.get("result"), list):  # annotations of Label Studio
            if found:
                continue  # of several annotators, the first
            inner_spans = spans_in(item["result"])
            if inner_spans is None:
                return None
            found += inner_spans
            continue
        span = _span(item)
        if span is None:
            return None
        if span.type:
            found.append(span)
    return found


def _spans_by_type(value: Mapping[str, Any]) -> list[CharacterSpan] | None:
    """The spans of an object {type: {text: [[begin, end], ...]}} with inclusive ends; None for another object."""
    found: list[CharacterSpan] = []
    for kind, texts in value.items():
        if not isinstance(texts, Mapping):
            return None
        for text, places in texts.items():
            for place in places if isinstance(places, list) else [None]:
                if not (isinstance(place, list) and len(place) == 2 and all(type(number) is int for number in place)):
                    return None
                found.append(CharacterSpan(place[0], place[1] + 1, kind, text))
    return found


def _span(item: Any) -> CharacterSpan | None:
    """The span of one entry. A span with an empty type is an entry of another kind, such as a relation or a choice."""
    if isinstance(item, (list, tuple)):
        if len(item) != 3 or not all(type(number) is int for number in item[:2]) or not isinstance(item[2], str):
            return None
        return CharacterSpan(item[0], item[1], item[2].strip() or "?")
    if not isinstance(item, Mapping):
        return None
    if isinstance(item.get("value"), Mapping):  # Label Studio
        if "start" not in item["value"]:
            return CharacterSpan(0, 0, "")
        item = item["value"]
    begin, end, kind = (next((item[name] for name in names if name in item), None) for names in (_BEGIN, _END, _TYPE))
    if isinstance(kind, list) and len(kind) == 1:
        kind = kind[0]
    if type(begin) is not int or type(end) is not int or not isinstance(kind, str):
        return None
    text = item.get("text")
    return CharacterSpan(begin, end, kind.strip() or "?", text if isinstance(text, str) else None)


def find_span_columns(source: Source) -> tuple[str, str] | None:
    """The columns of the texts and of their spans; None for a source of another form."""
    rows = [row.values for row in source.first_rows()]
    if _has_token_lists(rows, source.columns):
        return None
    for spans in sorted(source.columns, key=lambda column: column.lower() not in SPAN_NAMES):
        found = [spans_in(row.get(spans)) for row in rows]
        other = sum(one is None and row.get(spans) is not None for one, row in zip(found, rows, strict=True))
        if all(one is None or not one for one in found):
            continue
        if 10 * other < len(rows):  # the others are reported with their rows
            text = _text_column(source.columns, rows, spans)
            if text is not None:
                return text, spans
    return None


def _has_token_lists(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> bool:
    """Whether two columns contain lists of texts or numbers of equal lengths: tokens and their tags."""
    lengths: list[tuple[int, ...]] = []
    for column in columns:
        cells = [row.get(column) for row in rows]
        if all(isinstance(cell, list) and not any(isinstance(x, (list, dict)) for x in cell) for cell in cells):
            lengths.append(tuple(len(cell) for cell in cells if isinstance(cell, list)))
    return len(set(lengths)) < len(lengths) and any(any(one) for one in lengths if lengths.count(one) > 1)


def _text_column(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], spans: str) -> str | None:
    """The column of texts: one with a usual name, else the only one of long texts."""
    texts = [c for c in columns if c != spans and all(_text_of(row.get(c)) is not None for row in rows)]
    by_name = {column.lower().rpartition(".")[2]: column for column in reversed(texts)}
    named = next((by_name[name] for name in TEXT_NAMES if name in by_name), None)
    if named or not texts:
        return named
    return max(texts, key=lambda column: sum(len(_text_of(row[column]) or "") for row in rows))


def _text_of(value: Any) -> str | None:
    """The text of a cell: a text, or the only or the usual text of an object, as in `data` of Label Studio."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        texts = {name.lower(): text for name, text in value.items() if isinstance(text, str)}
        named = next((texts[name] for name in TEXT_NAMES if name in texts), None)
        return named or (next(iter(texts.values())) if len(texts) == 1 else None)
    return None


class TextSpans(Source):
    """Rows with the columns `tokens` and `tags`, and the other columns of the source.

    Args:
        inner: the rows with a text and its spans.
        text: the column of the texts.
        spans: the column of the spans.
        tokenization: words or characters.
    """

    format = "spans"

    def __init__(self, inner: Source, text: str, spans: str, tokenization: str = "words") -> None:
        super().__init__(inner.path, inner.name, encoding=inner.encoding, skip_broken=inner.skip_broken)
        self.inner, self.text, self.spans, self.tokenization = inner, text, spans, tokenization
        self.split_words = self.trimmed = 0

    @property
    def columns(self) -> list[str]:
        """The tokens, the tags, and the other columns."""
        others = [column for column in self.inner.columns if column not in (self.text, self.spans, TOKENS, TAGS)]
        return [TOKENS, TAGS, *others]

    def describe(self) -> list[str]:
        """Lines about the form of the rows and about words that were split."""
        lines = [f"column {self.text!r} is split into tokens; column {self.spans!r} contains spans of characters"]
        if self.split_words:
            lines.append(f"{self.split_words:,} words were split where a span begins or ends within a word")
        if self.trimmed:
            lines.append(f"{self.trimmed:,} spans began or ended with blanks, which were removed")
        return lines

    def _read(self) -> Iterator[Row | DataError]:
        self.split_words = self.trimmed = 0
        for row in self.inner._read():
            yield self._converted(row) if isinstance(row, Row) else row

    def _converted(self, row: Row) -> Row | DataError:
        text, spans = _text_of(row.values.get(self.text)), spans_in(row.values.get(self.spans))
        if text is None:
            return row.error(f"is {row.values.get(self.text)!r:.40}; expected a text", self.text)
        if spans is None:
            if row.values.get(self.spans) is not None:
                return row.error(
                    f"is {row.values[self.spans]!r:.60}; expected spans such as [[0, 3, 'PER']]", self.spans
                )
            spans = []
        cleaned = self._checked(text, spans)
        if isinstance(cleaned, str):
            return row.error(cleaned, self.spans)
        tokens, tags = self._tagged(text, cleaned)
        others = {column: row.values.get(column) for column in self.columns[2:]}
        return Row(row.number, {TOKENS: tokens, TAGS: tags, **others}, row.file, row.line)

    def _checked(self, text: str, spans: Sequence[CharacterSpan]) -> list[CharacterSpan] | str:
        """The spans in order, without surrounding blanks; or the problem of one."""
        found = list[CharacterSpan]()
        for span in dict.fromkeys(spans):
            shown = f"the span [{span.begin}, {span.end}, {span.type!r}]"
            if not 0 <= span.begin < span.end <= len(text):
                return f"{shown} is outside the text, which has {len(text)} characters"
            if span.text is not None and text[span.begin : span.end] != span.text:
                return f"{shown} is {text[span.begin : span.end]!r:.40}, but its text is given as {span.text!r:.40}"
            begin, end = span.begin, span.end
            while begin < end and text[begin].isspace():
                begin += 1
            while begin < end and text[end - 1].isspace():
                end -= 1
            if begin == end:
                return f"{shown} contains only blanks"
            self.trimmed += (begin, end) != (span.begin, span.end)
            found.append(CharacterSpan(begin, end, span.type))
        found = sorted(dict.fromkeys(found))
        for one, other in pairwise(found):
            if other.begin < one.end:
                return (
                    f"the spans {list(one[:3])} and {list(other[:3])} overlap, and a token has one tag; "
                    "remove one of them"
                )
        return found

    def _tagged(self, text: str, spans: Sequence[CharacterSpan]) -> tuple[list[str], list[str]]:
        """The tokens of a text, and the BIO tags of its spans."""
        tokens, tags = list[str](), list[str]()
        waiting = list(spans)
        for word, (begin, end) in zip(*tokenize(text, self.tokenization), strict=True):
            while waiting and waiting[0].end <= begin:
                waiting.pop(0)
            inside = [span for span in waiting if span.begin < end]
            cuts = sorted({at for span in inside for at in span[:2] if begin < at < end})
            self.split_words += bool(cuts)
            for first, last in zip([begin, *cuts], [*cuts, end], strict=True):
                span = next((span for span in inside if span.begin <= first < span.end), None)
                tokens.append(word if not cuts else text[first:last])
                tags.append("O" if span is None else f"{'B' if first == span.begin else 'I'}-{span.type}")
        return tokens, tags
