"""Conversion of the tokens of an answer to text and to JSON."""

from __future__ import annotations

from typing import Any, final

from ...data.words.vocabulary import Vocabulary
from ...decoding.beam_search import Hypothesis
from ...fields.paired_text import PairedText
from ..shared.answers import answer_attention


@final
class Output:
    """Converts answers. With `replace_unk`, an unknown word becomes the source word with the largest attention weight."""

    def __init__(self, source: PairedText, target: PairedText, *, replace_unk: bool) -> None:
        self.source, self.target, self.replace_unk = source, target, replace_unk

    @property
    def forbidden_tokens(self) -> list[int]:
        """Tokens that no answer contains. The unknown token is allowed if it is replaced by a source word."""
        return [Vocabulary.pad] if self.replace_unk else [Vocabulary.pad, Vocabulary.unknown]

    def text(self, hypothesis: Hypothesis, value: Any) -> str:
        """The text of an answer to the source `value`."""
        vocabulary = self.target.vocabulary
        if not self.replace_unk or hypothesis.weights is None or vocabulary.unknown not in hypothesis.tokens:
            return vocabulary.decode(hypothesis.tokens)
        words = self.source.tokenize(value)
        copied = [words[at] if at < len(words) else "" for at in hypothesis.weights.argmax(-1).tolist()]
        return vocabulary.decode(hypothesis.tokens, copied)

    def attention(self, hypothesis: Hypothesis, value: Any) -> dict[str, Any]:
        """The attention weights of the source tokens for each token of the answer, including the end token."""
        source = self.source.tokenize(value)
        target, weights = answer_attention(hypothesis, self.target.vocabulary, len(source))
        return {"source": source, "target": target, "weights": weights}
