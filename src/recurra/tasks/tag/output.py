"""A tagged row as JSON: its tokens, their tags, the spans that these spell, and what the row is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ...data.words.pretokenize import join
from ...data.words.tag_schemes import Scheme, Span, spans
from ...fields.words import TokenLevel
from .row import TokenRow


def tags_answer(row: TokenRow, tags: Sequence[str], scheme: Scheme, level: TokenLevel | None) -> dict[str, Any]:
    """Tokens and tags; where each token is in raw text; the spans, where the scheme has any."""
    found: dict[str, Any] = {"tokens": row.tokens, "tags": tags}
    if row.offsets is not None:
        found["offsets"] = [list(pair) for pair in row.offsets]
    if scheme != "plain":
        found["spans"] = [_span(row, span, level) for span in spans(tags, scheme)]
    return found


def _span(row: TokenRow, span: Span, level: TokenLevel | None) -> dict[str, Any]:
    """Its type, its text, its tokens from `begin` to before `end`, and in raw text the characters likewise."""
    tokens = row.tokens[span.begin : span.end]
    found: dict[str, Any] = {"type": span.type, "begin": span.begin, "end": span.end}
    if row.offsets is None or row.text is None:
        return {**found, "text": "".join(tokens) if level == "characters" else join(tokens)}
    first, last = row.offsets[span.begin][0], row.offsets[span.end - 1][1]
    return {**found, "text": row.text[first:last], "characters": [first, last]}


def intent_answer(probabilities: Tensor | None, classes: Sequence[str]) -> dict[str, Any]:
    """The likeliest intent, of probabilities (C,); of a row without tokens there are none."""
    if probabilities is None:
        return {"intent": None, "intent_probability": None}
    best = int(probabilities.argmax())
    return {"intent": classes[best], "intent_probability": round(float(probabilities[best]), 6)}
