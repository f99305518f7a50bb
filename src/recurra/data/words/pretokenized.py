"""Detects text whose tokens are already separated by blanks, such as the Penn Treebank and WikiText.

    aer banknote berlitz calloway <unk> centrust cluett fromstein gitano guterman hydro-quebec
    The game began development in 2010 , carrying over a large portion of the work done on <unk> Chronicles II .

Such text has markers that no other text has between blanks: `<unk>` in the place of rare words, and `@-@`, `@,@` and `@.@`
inside words and numbers. A text that merely mentions `<unk>` has it less often, and has punctuation that is attached to words.
"""

from __future__ import annotations

from typing import NamedTuple

UNKNOWN_WORDS = ("<unk>", "<UNK>")  # stand for rare words
MARKERS = (*UNKNOWN_WORDS, "@-@", "@,@", "@.@")
MIN_MARKERS = 5
MIN_SHARE = 1e-3  # of the words are markers
MAX_ATTACHED = 1e-3  # share of the words that end with attached punctuation
_ATTACHED = (",", ";", "?", "!")  # not the full stop, which abbreviations such as "inc." keep


class Pretokenized(NamedTuple):
    """The result of `detect_pretokenized`.

    found    whether the tokens are separated by blanks
    reason   the markers, for the user
    """

    found: bool
    reason: str


def detect_pretokenized(text: str) -> Pretokenized:
    """Examine the beginning of a text.

    >>> detect_pretokenized("the <unk> company said N people left\\n" * 9)
    Pretokenized(found=True, reason='9 of 63 words are <unk>')
    >>> detect_pretokenized("The token <unk> stands for rare words, such as names. " * 9).found
    False
    """
    words = text.split()
    counts = {marker: words.count(marker) for marker in MARKERS if marker in text}
    total = sum(counts.values())
    attached = sum(len(word) > 1 and word[-1] in _ATTACHED and word[-2].isalnum() for word in words)
    n = len(words)
    if total < max(MIN_MARKERS, MIN_SHARE * n) or attached > MAX_ATTACHED * n:
        return Pretokenized(False, "")
    markers = " or ".join(marker for marker, count in counts.items() if count)
    return Pretokenized(True, f"{total:,} of {n:,} words are {markers}")
