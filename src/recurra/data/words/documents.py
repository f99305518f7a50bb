"""Detects whether a text consists of independent short texts, such as poems or the lines of a log, or is continuous.

The candidates are the segments between blank lines, or otherwise the lines. In a continuous text, such as a play, neighboring
segments have similar content: a segment has more character trigrams in common with the next two segments than with distant
ones. `continuity` is the difference of the two similarities. Measured values: 0 to 0.01 for poems, reviews, questions and log
traces; 0.06 to 0.14 for a play, an encyclopedia, source code and the lines of a newspaper.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

SAMPLE_CHARACTERS = 1_000_000  # characters at the beginning of the text that are examined
MIN_SEGMENTS = 20  # number of segments that must be exceeded
MAX_MEAN_LENGTH = 500  # characters
MIN_CONTINUITY = 0.02  # of a continuous text
MIN_DISTANCE = 50  # segments between two that count as distant


class TextStructure(NamedTuple):
    """The result of `detect_independent_texts`.

    separator     string that separates the independent texts ("\\n\\n" or "\\n"); empty where the text is continuous
    description   reason for the decision, for the user; empty where there were too few segments to decide
    """

    separator: str
    description: str


def detect_independent_texts(text: str) -> TextStructure:
    """Examine the beginning of a text.

    >>> poems = ["".join(random.Random(n).choices("abcdefgh ", k=60)) for n in range(30)]
    >>> detect_independent_texts("\\n\\n".join(poems)).separator
    '\\n\\n'
    """
    for separator, name in (("\n\n", "segments between blank lines"), ("\n", "lines")):
        segments = [segment for segment in text.split(separator) if segment.strip()]
        if len(segments) > MIN_SEGMENTS and len(text) / len(segments) <= MAX_MEAN_LENGTH:
            value = continuity(segments)
            independent = value < MIN_CONTINUITY
            kind = "are independent texts" if independent else "form a continuous text"
            comparison = f"{abs(value):.1%} {'more' if value >= 0 else 'less'} similar"
            description = f"{name} {kind}: neighbors are {comparison} than distant ones"
            return TextStructure(separator if independent else "", description)
    return TextStructure("", "")


def continuity(segments: Sequence[str]) -> float:
    """Return how much more similar a segment is to the next two than to distant ones, about -1 to 1.

    The similarity of two segments is the cosine of their sets of character trigrams.
    """
    trigrams = [{segment[at : at + 3] for at in range(len(segment) - 2)} for segment in segments]
    generator, n = random.Random(0), len(segments)

    def similarity(i: int, j: int) -> float:
        one, other = trigrams[i], trigrams[j]
        return len(one & other) / (len(one) * len(other)) ** 0.5 if one and other else 0.0

    min_distance = min(MIN_DISTANCE, n // 4)
    near = [similarity(i, i + step) for i in range(n - 2) for step in (1, 2)]
    pairs = [(i, generator.randrange(n)) for i in range(n - 2) for _ in range(2)]
    distant = [similarity(i, j) for i, j in pairs if abs(i - j) > min_distance]
    return sum(near) / len(near) - sum(distant) / max(len(distant), 1)
