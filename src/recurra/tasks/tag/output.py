"""A tagged row as JSON: its tokens, their tags, the spans that these spell, and the intent of the row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

from torch import Tensor

from ...data.words.pretokenize import join
from ...data.words.tag_schemes import Scheme, Span, spans
from ...fields.intent import RowLabel
from ...fields.tags import Tags
from ...fields.words import TokenTokenization, Words
from .row import TokenRow


@final
class TagOutput:
    """Makes JSON of predictions, with the tags and classes of fields."""

    def __init__(self, words: Words, tags: Tags, intent: RowLabel | None) -> None:
        self.words, self.tags, self.intent = words, tags, intent

    def decode(self, row: TokenRow, path: Sequence[int], intent: Tensor | None) -> dict[str, Any]:
        """The JSON object of a row: `path` are the ids of its tags, `intent` the probabilities (C,) of the intents.

        A row without tokens has no probabilities.
        """
        result = tags_to_json(row, self.tags.tags_of(path), self.tags.scheme, self.words.tokenization)
        return result if self.intent is None else result | intent_to_json(intent, self.intent.classes)


def tags_to_json(row: TokenRow, tags: Sequence[str], scheme: Scheme, tokenization: TokenTokenization) -> dict[str, Any]:
    """Tokens and tags; the offsets of the tokens in raw text; the spans, where the scheme has any."""
    result: dict[str, Any] = {"tokens": row.tokens, "tags": tags}
    if row.offsets is not None:
        result["offsets"] = [list(pair) for pair in row.offsets]
    if scheme != "plain":
        result["spans"] = [_span_to_json(row, span, tokenization) for span in spans(tags, scheme)]
    return result


def _span_to_json(row: TokenRow, span: Span, tokenization: TokenTokenization) -> dict[str, Any]:
    """Type and text, the tokens from `begin` up to, not including, `end`, and in raw text the characters likewise."""
    tokens = row.tokens[span.begin : span.end]
    result: dict[str, Any] = {"type": span.type, "begin": span.begin, "end": span.end}
    if row.offsets is None or row.text is None:
        return {**result, "text": "".join(tokens) if tokenization == "characters" else join(tokens)}
    first, last = row.offsets[span.begin][0], row.offsets[span.end - 1][1]
    return {**result, "text": row.text[first:last], "characters": [first, last]}


def intent_to_json(probabilities: Tensor | None, classes: Sequence[str]) -> dict[str, Any]:
    """The most probable intent of probabilities (C,); None without them."""
    if probabilities is None:
        return {"intent": None, "intent_probability": None}
    best = int(probabilities.argmax())
    return {"intent": classes[best], "intent_probability": round(float(probabilities[best]), 6)}
