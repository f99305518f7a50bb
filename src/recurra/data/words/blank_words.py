"""Counts of words between blanks, with line ends: the unit of published perplexities."""

from __future__ import annotations

import re
from typing import final

from recurra.data.words.pretokenize import HAN

MAX_UNSPACED = 0.3  # fraction of the characters that are of scripts without blanks between words
_UNSPACED = re.compile(f"[{HAN}\u3040-\u30ff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")


def has_blanks(text: str) -> bool:
    """Whether blanks separate the words of a text: it is not written in Chinese, Japanese, Thai, Lao, Burmese or Khmer.

    >>> has_blanks("the sea"), has_blanks("春江潮水")
    (True, False)
    """
    return len(_UNSPACED.findall(text)) <= MAX_UNSPACED * len(text)


@final
class BlankWordCounter:
    """Counts the words between blanks and the line ends of a text that arrives in pieces.

    A word counts in the piece in which it is complete, that is with the blank after it, as in the streams of tokens.

    >>> counter = BlankWordCounter()
    >>> counter.push("the co"), counter.push("mpany 's\\n"), counter.push("end"), counter.flush()
    (1, 3, 0, 1)
    """

    def __init__(self) -> None:
        self._in_word = False

    def push(self, text: str) -> int:
        """The number of line ends and of words that are complete with this piece."""
        if not text:
            return 0
        complete = len(text.split()) + text.count("\n")
        if self._in_word and text[0].isspace():
            complete += 1  # the word of the earlier pieces ends before this one
        self._in_word = not text[-1].isspace()
        return complete - self._in_word

    def flush(self) -> int:
        """The number of words that the end of the text completes: 0 or 1."""
        last, self._in_word = self._in_word, False
        return int(last)
