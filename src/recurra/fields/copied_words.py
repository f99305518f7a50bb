"""Pairs whose targets are words of their source, such as short answers from a passage, and pairs with short targets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..data.words.pretokenize import han_fraction, tokenize

COPIED = 0.9  # of the targets consist of words of the source
KNOWN = 0.9  # of the words of the targets occur in other targets
FREQUENT = 0.02  # of the targets that a frequent word such as "yes" occurs in
MIN_SOURCE_WORDS = 4
SHORT = 4  # words; BLEU counts sequences of four words


def copies_words(sources: Sequence[Any], targets: Sequence[str]) -> bool:
    """Whether the targets are short and consist of words of their source, and of words that recur in other targets.

    Such targets are split into words: a network chooses a word of the source more easily than it spells it.

    Args:
        sources: texts, or tuples of texts.
        targets: texts.
    """
    if not targets or not are_short(targets) or han_fraction(targets) > 0.5:
        return False
    words_of_targets = [_words(target) for target in targets]
    in_targets = Counter(word for words in words_of_targets for word in set(words))
    copied = wholly = source_words = 0
    for source, words in zip(sources, words_of_targets, strict=True):
        known = [word for text in (source if isinstance(source, tuple) else (source,)) for word in _words(text)]
        source_words += len(known)
        inside = set(known)
        copied += bool(words) and inside.issuperset(words)
        wholly += all(word in inside or in_targets[word] > FREQUENT * len(targets) for word in words)
    total = sum(map(len, words_of_targets))
    recurring = sum(in_targets[word] > 1 for words in words_of_targets for word in words)
    return (
        source_words >= MIN_SOURCE_WORDS * len(targets)
        and wholly >= COPIED * len(targets)
        and 2 * copied >= len(targets)
        and recurring >= KNOWN * total
    )


def are_short(targets: Sequence[str]) -> bool:
    """Whether most targets have fewer than four words.

    >>> are_short(["Oslo", "in May"]), are_short(["She went to Oslo in May"])
    (True, False)
    """
    return 2 * sum(len(_words(target)) < SHORT for target in targets) > len(targets)


def _words(text: str) -> list[str]:
    return tokenize(text, "words")[0]
