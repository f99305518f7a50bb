"""A tagged row as JSON: its tokens, their tags, the spans that these spans_to_tags, and the sentence_label of the row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

from torch import Tensor

from ...data.words.pretokenize import join
from ...data.words.tag_schemes import Scheme, Span, spans
from ...fields.sentence_label import SentenceLabel
from ...fields.tags import Tags
from ...fields.words import TokenUnit, Words
from .token_sequence import TokenSequence


@final
class TagOutput:
    """Makes JSON of predictions, with the tags and classes of fields."""

    def __init__(self, words: Words, tags: Tags, sentence_label: SentenceLabel | None) -> None:
        self.words, self.tags, self.sentence_label = words, tags, sentence_label

    def decode(self, row: TokenSequence, path: Sequence[int], sentence_label: Tensor | None) -> dict[str, Any]:
        """The JSON object of a row: `path` are the ids of its tags, `sentence_label` the probabilities (C,) of the sentence_labels.

        A row without tokens has no probabilities.
        """
        result = tags_to_json(row, self.tags.tags_of(path), self.tags.scheme, self.words.tokenization)
        return result if self.sentence_label is None else result | sentence_label_to_json(sentence_label, self.sentence_label.classes)


def tags_to_json(row: TokenSequence, tags: Sequence[str], scheme: Scheme, tokenization: TokenUnit) -> dict[str, Any]:
    """Tokens and tags; the offsets of the tokens in raw text; the spans, where the scheme has any."""
    result: dict[str, Any] = {"tokens": row.tokens, "tags": tags}
    if row.offsets is not None:
        result["offsets"] = [list(pair) for pair in row.offsets]
    if scheme != "plain":
        result["spans"] = [_span_to_json(row, span, tokenization) for span in spans(tags, scheme)]
    return result


def _span_to_json(row: TokenSequence, span: Span, tokenization: TokenUnit) -> dict[str, Any]:
    """Type and text, the tokens from `begin` up to, not including, `end`, and in raw text the characters likewise."""
    tokens = row.tokens[span.begin : span.end]
    result: dict[str, Any] = {"type": span.type, "begin": span.begin, "end": span.end}
    if row.offsets is None or row.text is None:
        return {**result, "text": "".join(tokens) if tokenization == "characters" else join(tokens)}
    first, last = row.offsets[span.begin][0], row.offsets[span.end - 1][1]
    return {**result, "text": row.text[first:last], "characters": [first, last]}


def sentence_label_to_json(probabilities: Tensor | None, classes: Sequence[str]) -> dict[str, Any]:
    """The most probable sentence_label of probabilities (C,); None without them."""
    if probabilities is None:
        return {"sentence_label": None, "sentence_label_probability": None}
    best = int(probabilities.argmax())
    return {"sentence_label": classes[best], "sentence_label_probability": round(float(probabilities[best]), 6)}
