"""Predictions as JSON: tokens, tags, the spans that the tags encode, and the sentence label."""

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
    """Converts predictions to JSON, with the tags and the classes of the fields."""

    def __init__(self, words: Words, tags: Tags, sentence_label: SentenceLabel | None) -> None:
        self.words, self.tags, self.sentence_label = words, tags, sentence_label

    def decode(self, sequence: TokenSequence, path: Sequence[int], probabilities: Tensor | None) -> dict[str, Any]:
        """The JSON object of a sequence.

        path           the ids of its tags
        probabilities  (C,): the probabilities of the sentence labels; None for a sequence without tokens
        """
        result = tags_to_json(sequence, self.tags.tags_of(path), self.tags.scheme, self.words.tokenization)
        if self.sentence_label is None:
            return result
        return result | sentence_label_to_json(probabilities, self.sentence_label.classes)


def tags_to_json(
    sequence: TokenSequence, tags: Sequence[str], scheme: Scheme, tokenization: TokenUnit
) -> dict[str, Any]:
    """Tokens and tags, the offsets of the tokens in raw text, and the spans unless the scheme is plain."""
    result: dict[str, Any] = {"tokens": sequence.tokens, "tags": tags}
    if sequence.offsets is not None:
        result["offsets"] = [list(pair) for pair in sequence.offsets]
    if scheme != "plain":
        result["spans"] = [_span_to_json(sequence, span, tokenization) for span in spans(tags, scheme)]
    return result


def _span_to_json(sequence: TokenSequence, span: Span, tokenization: TokenUnit) -> dict[str, Any]:
    """Type, tokens `begin` up to, not including, `end`, text, and the characters of raw text likewise."""
    tokens = sequence.tokens[span.begin : span.end]
    result: dict[str, Any] = {"type": span.type, "begin": span.begin, "end": span.end}
    if sequence.offsets is None or sequence.text is None:
        return {**result, "text": "".join(tokens) if tokenization == "characters" else join(tokens)}
    first, last = sequence.offsets[span.begin][0], sequence.offsets[span.end - 1][1]
    return {**result, "text": sequence.text[first:last], "characters": [first, last]}


def sentence_label_to_json(probabilities: Tensor | None, classes: Sequence[str]) -> dict[str, Any]:
    """The most probable sentence label of probabilities (C,) and its probability; None without probabilities."""
    if probabilities is None:
        return {"sentence_label": None, "sentence_label_probability": None}
    best = int(probabilities.argmax())
    return {"sentence_label": classes[best], "sentence_label_probability": round(float(probabilities[best]), 6)}
