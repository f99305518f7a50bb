"""How files write the tags of spans, and their conversion to the form `B-TYPE` of `tag_schemes.py`.

    B-PER B_PER B:PER       the letter first
    PER-B PER_B             the letter last
    b-per o                 lower case
    B I L O U, B M E W O    other letters: L and U become E and S (scheme bioes), W becomes S (scheme bmes)
    I-PER at the beginning  IOB1, where B only separates adjacent spans of one type

A notation is accepted only if it explains every tag.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

OUTSIDE = ("O", "o")
_SEPARATORS = "-_:/.|"
_LETTER_SETS = ("BI", "BIES", "BMES", "BILU", "BMEW", "BIEW")
_RENAMED = {"L": "E", "U": "S", "W": "S"}


class Notation(NamedTuple):
    """How a tag is written.

    separator  between the letter and the type
    suffix     whether the letter is last
    """

    separator: str = "-"
    suffix: bool = False

    def split(self, tag: str) -> tuple[str, str] | None:
        """The letter as it is written and the type of a tag, "" for a bare letter; None if the tag is not written so."""
        if len(tag) == 1:
            return tag, ""
        before, separator, after = tag.rpartition(self.separator) if self.suffix else tag.partition(self.separator)
        letter, type = (after, before) if self.suffix else (before, after)
        return (letter, type) if separator and len(letter) == 1 and type else None

    def convert(self, tag: str) -> str:
        """The tag in the form `B-TYPE`; a tag that is not written in this notation is returned unchanged.

        >>> Notation("_").convert("U_PER"), Notation("-", suffix=True).convert("PER-B"), Notation().convert("b-per")
        ('S-PER', 'B-PER', 'B-per')
        """
        if tag in OUTSIDE:
            return "O"
        parts = self.split(tag)
        if parts is None:
            return tag
        letter = _RENAMED.get(parts[0].upper(), parts[0].upper())
        return f"{letter}-{parts[1]}" if parts[1] else letter

    def describe(self, tags: Iterable[str]) -> str:
        """The first conversions of some tags; empty if none changes."""
        changed = [f"{tag} to {self.convert(tag)}" for tag in tags if self.convert(tag) != tag]
        return ", ".join(changed[:3]) + (", ..." if len(changed) > 3 else "")


STANDARD = Notation()


def notations() -> Iterator[Notation]:
    """All notations, the standard one first."""
    for suffix in (False, True):
        for separator in _SEPARATORS:
            yield Notation(separator, suffix)


def find_notation(tags: Collection[str], *, strict: bool = True) -> Notation | None:
    """The notation that explains all tags as those of spans, or None.

    Args:
        tags: the distinct tags.
        strict: require evidence that the tags encode spans: a tag O, and a span of several tokens. Not needed where the user
            has named the scheme.
    """
    inside = [tag for tag in tags if tag not in OUTSIDE]
    if not inside or (strict and len(inside) == len(tags)):
        return None
    for notation in notations():
        parts = [notation.split(tag) for tag in inside]
        letters = {part[0].upper() for part in parts if part is not None}
        if None in parts or not any(letters <= set(known) for known in _LETTER_SETS):
            continue
        if not letters & set("BI"):
            continue
        if strict and not _has_evidence(letters, [part[1] for part in parts if part is not None]):
            continue
        return notation
    return None


def _has_evidence(letters: set[str], types: Sequence[str]) -> bool:
    """Whether letters and types are those of spans: several letters, with a type or all without."""
    return len(letters) > 1 and (all(types) or not any(types))


def is_iob1(pairs: Iterable[tuple[str, str]]) -> bool:
    """Whether converted tags are in IOB1: spans begin with I, and B only follows a token of the same type.

    Args:
        pairs: all pairs of adjacent tags; the tag before the first one of a sequence is "O".

    >>> is_iob1([("O", "I-PER"), ("I-PER", "B-PER"), ("O", "I-LOC")]), is_iob1([("O", "B-PER"), ("B-PER", "I-LOC")])
    (True, False)
    """
    begun = False
    for before, tag in pairs:
        letter, _, type = tag.partition("-")
        continues = before != "O" and before.partition("-")[2] == type
        if letter == "B" and not continues:
            return False
        begun = begun or (letter == "I" and not continues)
    return begun


def is_bracketed(tags: Collection[str]) -> bool:
    """Whether tags are brackets around spans, as in CoNLL-2012, which have a meaning only in their sequence.

    >>> is_bracketed({"*", "(PER*", "*)", "(LOC)"}), is_bracketed({"*", "NOUN"})
    (True, False)
    """
    pattern = re.compile(r"(\([^()*\s]+)*\*?\)*")
    return any("(" in tag for tag in tags) and "*" in tags and all(map(pattern.fullmatch, tags))


def looks_like_spans(tags: Collection[str]) -> str | None:
    """A tag that looks like one of a span although the tags as a whole have no known notation; None if there is none.

    >>> looks_like_spans({"O", "B-PER", "I-PER", "MISC"}), looks_like_spans({"NOUN", "VERB"})
    ('B-PER', None)
    """
    pattern = re.compile(r"[BI][-_:].+|.+[-_:][BI]", re.IGNORECASE)
    found = sorted(tag for tag in tags if pattern.fullmatch(tag))
    return found[0] if len(found) > 1 and any(tag in tags for tag in OUTSIDE) else None
