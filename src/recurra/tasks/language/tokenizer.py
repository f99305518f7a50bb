"""The tokenizer of a language model, which takes a text in pieces."""

from __future__ import annotations

import copy
from typing import final

from ...data.words.vocabulary import Vocabulary


@final
class TextTokenizer:
    """An incremental tokenizer: `push(a) + push(b) + flush()` are the tokens of a + b.

    With a vocabulary of words a line break is encoded as the end token, because words contain no line breaks.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary, self._stream = vocabulary, vocabulary.stream()

    def push(self, text: str) -> list[int]:
        """Return the tokens that no later text can change."""
        if self.vocabulary.tokenization != "words":
            return self._stream.push(text)
        lines = text.split("\n")
        ids = self._stream.push(lines[0])
        for line in lines[1:]:
            ids += [*self._stream.flush(), self.vocabulary.end, *self._stream.push(line)]
        return ids

    def flush(self) -> list[int]:
        """Return the tokens of the text that is still buffered, as if the text ended here."""
        return self._stream.flush()

    def copy(self) -> TextTokenizer:
        """Return a copy at the same position in the text. Flushing the copy does not change the original."""
        other = copy.copy(self)
        other._stream = copy.copy(self._stream)
        return other
