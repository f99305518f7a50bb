"""Schemes: how tags, one a token, spell spans such as names, chunks and words.

    bio     B begins a span, I goes on, O is outside                    (also called IOB2)
    bioes   and E ends one, S is one of a single token                  (also called IOBES)
    bmes    the same with M for I, as Chinese data has it
    plain   tags that spell no spans: parts of speech, 0 and 1

A tag is a letter, or a letter, a dash and the type of the span: B-PER. Without types, B M E S cut words.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple, get_args

from recurra.errors import DataError

Scheme = Literal["bio", "bioes", "bmes", "plain"]
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
_LETTERS = {"bio": "BI", "bioes": "BIES", "bmes": "BMES"}  # begin, inside, end, single
_TAG = re.compile(r"([A-Z])(?:-(.+))?")


class Span(NamedTuple):
    """Tokens begin to end, the end not among them, and the type of the span."""

    begin: int
    end: int
    type: str


def find_scheme(tags: Collection[str]) -> Scheme:
    """The scheme that all of `tags` belong to. DataError where they look like one that is not known."""
    parted = {tag: _TAG.fullmatch(tag) for tag in tags if tag != "O"}
    letters = {found[1] for found in parted.values() if found}
    strange = sorted(tag for tag, found in parted.items() if not found or found[1] not in "BIMES")
    if strange:
        typed = [tag for tag, found in parted.items() if found and found[2] is not None]
        spans = [tag for tag in typed if tag not in strange]
        begun = any(tag[0] == "B" for tag in spans) and (len(typed) == len(parted) or len(strange) < len(spans))
        bilou = len(typed) == len(parted) and letters <= set("BILU")
        if "O" in tags and (begun or bilou):
            raise DataError(
                f"the tag {strange[0]!r} is of no scheme that is known (bio, bioes, bmes); "
                "write the tags in one of them, or take them as they are with --scheme plain"
            )
        return "plain"
    if "B" not in letters and "I" not in letters:
        return "plain"
    if {"I", "M"} <= letters:
        raise DataError("there are tags with I and tags with M; write them in one scheme, or say --scheme plain")
    if "M" in letters:
        return "bmes"
    return "bioes" if letters & set("ES") else "bio"


def check_tags(tags: Collection[str], scheme: Scheme) -> None:
    """Raise DataError where a tag cannot be of `scheme`."""
    if scheme == "plain":
        return
    for tag in sorted(tags):
        found = _TAG.fullmatch(tag)
        if tag != "O" and (found is None or found[1] not in _LETTERS[scheme]):
            raise DataError(
                f"the tag {tag!r} is not of the scheme {scheme}, whose letters are O {' '.join(_LETTERS[scheme])}"
            )


def all_tags(tags: Collection[str], scheme: Scheme) -> list[str]:
    """`tags`, and those that the scheme has for the same types, in order: O first, then type by type."""
    if scheme == "plain":
        return sorted(tags)
    types = sorted({_parted(tag)[1] for tag in tags if tag != "O"})
    made = [_tag(letter, type) for type in types for letter in _LETTERS[scheme]]
    return ["O", *made] if "O" in tags else made


def spans(tags: Sequence[str], scheme: Scheme) -> list[Span]:
    """The spans that `tags` spell, also where they break the scheme's rules: what goes on without a begin begins there.

    As conlleval reads them (Tjong Kim Sang and Buchholz 2000).
    """
    found: list[Span] = []
    if scheme == "plain":
        return found
    begin, open_type = 0, None  # the span that is open
    for at, tag in enumerate(tags):
        letter, type = _parted(tag)
        if open_type is not None and (letter in "OBS" or type != open_type):
            found.append(Span(begin, at, open_type))
            open_type = None
        if letter != "O" and open_type is None:
            begin, open_type = at, type
        if letter in "ES":
            found.append(Span(begin, at + 1, type))
            open_type = None
    if open_type is not None:
        found.append(Span(begin, len(tags), open_type))
    return found


def spell(found: Sequence[Span], length: int, scheme: Scheme) -> list[str]:
    """The tags of `length` tokens that spell the spans. The way back of `spans`."""
    letters = _LETTERS[scheme]
    tags = ["O"] * length
    for span in found:
        for at in range(span.begin, span.end):
            tags[at] = _tag(letters[0] if at == span.begin else letters[1], span.type)
        if len(letters) == 4:
            single = span.end - span.begin == 1
            tags[span.end - 1] = _tag(letters[3] if single else letters[2], span.type)
    return tags


def mend(tags: Sequence[str], scheme: Scheme) -> list[str]:
    """`tags` by the rules of the scheme: in bio, an I that no B or I of its type stands before becomes a B."""
    return list(tags) if scheme == "plain" else spell(spans(tags, scheme), len(tags), scheme)


def follows(tags: Sequence[str], scheme: Scheme) -> tuple[list[list[bool]], list[bool], list[bool]]:
    """Which of `tags` may follow which (from the row to the column), begin a row, and end one."""
    parted = [_parted(tag) for tag in tags]
    free = scheme == "plain"
    four = not free and len(_LETTERS[scheme]) == 4

    def may(before: tuple[str, str], after: tuple[str, str]) -> bool:
        goes_on = after[0] in "IME"
        is_open = before[0] in ("BIM" if four or goes_on else "")  # in bio a span may end anywhere
        return free or (before[1] == after[1] if goes_on and is_open else goes_on == is_open)

    edge = ("O", "")
    between = [[may(before, after) for after in parted] for before in parted]
    return between, [may(edge, one) for one in parted], [may(one, edge) for one in parted]


def _parted(tag: str) -> tuple[str, str]:
    letter, _, type = tag.partition("-")
    return letter, type


def _tag(letter: str, type: str) -> str:
    return f"{letter}-{type}" if type else letter
