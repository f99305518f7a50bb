"""A text in pieces to the tokens of a language model."""

from __future__ import annotations

import copy
from typing import final

from ...data.words.vocabulary import Vocabulary


@final
class TextTokenizer:
    """Tokenises a text that arrives in pieces: `push(a) + push(b) + flush()` are the tokens of a + b.

    With a vocabulary of words a line end is the end mark, because words contain no line ends.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary, self._stream = vocabulary, vocabulary.stream()

    def push(self, text: str) -> list[int]:
        """The tokens that no later text can change."""
        if self.vocabulary.tokenization != "words":
            return self._stream.push(text)
        lines = text.split("\n")
        ids = self._stream.push(lines[0])
        for line in lines[1:]:
            ids += [*self._stream.flush(), self.vocabulary.end, *self._stream.push(line)]
        return ids

    def flush(self) -> list[int]:
        """The tokens of the text that is held back, as if the text ended here."""
        return self._stream.flush()

    def copy(self) -> TextTokenizer:
        """The same position in the text; flushing the copy leaves this one as it is."""
        other = copy.copy(self)
        other._stream = copy.copy(self._stream)
        return other
