"""From the tokens of an answer to its text and to JSON."""

from __future__ import annotations

from typing import Any, final

from ...data.words.vocabulary import Vocabulary
from ...decoding.beam_search import Hypothesis
from ...fields.paired_text import PairedText
from ..shared.answers import answer_attention


@final
class Output:
    """`copy_unknown`: an unknown word of an answer is the source's word with the largest attention weight."""

    def __init__(self, source: PairedText, target: PairedText, *, replace_unk: bool) -> None:
        self.source, self.target, self.replace_unk = source, target, replace_unk

    @property
    def never(self) -> list[int]:
        """Tokens that no answer holds. An unknown word may stand where it is to be copied."""
        return [Vocabulary.pad] if self.replace_unk else [Vocabulary.pad, Vocabulary.unknown]

    def text(self, found: Hypothesis, value: Any) -> str:
        """The text of the answer to the source `value`."""
        vocabulary = self.target.vocabulary
        if not self.replace_unk or found.weights is None or vocabulary.unknown not in found.tokens:
            return vocabulary.decode(found.tokens)
        words = self.source.cut(value)
        copied = [words[at] if at < len(words) else "" for at in found.weights.argmax(-1).tolist()]
        return vocabulary.decode(found.tokens, copied)

    def attention(self, found: Hypothesis, value: Any) -> dict[str, Any]:
        """For each token of the answer, its end mark too, the attention weight of each token of the source."""
        source = self.source.cut(value)
        target, weights = answer_attention(found, self.target.vocabulary, len(source))
        return {"source": source, "target": target, "weights": weights}
