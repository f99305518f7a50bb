"""Tag schemes: how the tags of tokens encode spans, such as names, chunks and words.

    bio     B begins a span, I continues it, O is outside of spans      (also called IOB2)
    bioes   additionally, E ends a span and S is a span of one token    (also called IOBES)
    bmes    the same with M instead of I, common in Chinese data
    plain   tags that encode no spans, such as parts of speech, or 0 and 1

A tag is a letter, or a letter, a hyphen and the type of the span: B-PER. Without types, B, M, E and S mark words.
`tag_notation.py` converts tags that are written in another way, and those of other schemes.
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
    """The tokens from `begin` up to, not including, `end`, and the type of the span."""

    begin: int
    end: int
    type: str


def find_scheme(tags: Collection[str]) -> Scheme:
    """The scheme of a set of tags. Raises DataError if they appear to belong to an unsupported scheme."""
    matches = {tag: _TAG.fullmatch(tag) for tag in tags if tag != "O"}
    letters = {match[1] for match in matches.values() if match}
    unknown = sorted(tag for tag, match in matches.items() if not match or match[1] not in "BIMES")
    if unknown:
        typed = [tag for tag, match in matches.items() if match and match[2] is not None]
        spans = [tag for tag in typed if tag not in unknown]
        has_begin = any(tag[0] == "B" for tag in spans) and (len(typed) == len(matches) or len(unknown) < len(spans))
        bilou = len(typed) == len(matches) and letters <= set("BILU")
        if "O" in tags and (has_begin or bilou):
            raise DataError(
                f"the tag {unknown[0]!r} belongs to no supported scheme (bio, bioes, bmes); "
                "convert the tags to one of them, or use --scheme plain to treat them as plain tags"
            )
        return "plain"
    if "B" not in letters and "I" not in letters:
        return "plain"
    if {"I", "M"} <= letters:
        raise DataError(
            "there are tags with I and tags with M; convert the tags to one scheme, or use --scheme plain to treat them "
            "as plain tags"
        )
    if "M" in letters:
        return "bmes"
    return "bioes" if letters & set("ES") else "bio"


def check_tags(tags: Collection[str], scheme: Scheme) -> None:
    """Raise DataError if a tag does not belong to `scheme`."""
    if scheme == "plain":
        return
    for tag in sorted(tags):
        match = _TAG.fullmatch(tag)
        if tag != "O" and (match is None or match[1] not in _LETTERS[scheme]):
            raise DataError(
                f"the tag {tag!r} does not belong to the scheme {scheme}, whose letters are O {' '.join(_LETTERS[scheme])}"
            )


def all_tags(tags: Collection[str], scheme: Scheme) -> list[str]:
    """`tags` and the other tags of the scheme for the same types, in order: O first, then by type."""
    if scheme == "plain":
        return sorted(tags)
    types = sorted({_split(tag)[1] for tag in tags if tag != "O"})
    typed = [_tag(letter, type) for type in types for letter in _LETTERS[scheme]]
    return ["O", *typed] if "O" in tags else typed


def spans(tags: Sequence[str], scheme: Scheme) -> list[Span]:
    """The spans that `tags` encode.

    Tags may violate the rules of the scheme: a span that continues without a beginning begins there, as in conlleval
    (Tjong Kim Sang and Buchholz 2000).

    >>> spans(["B-PER", "I-PER", "O", "I-LOC"], "bio")
    [Span(begin=0, end=2, type='PER'), Span(begin=3, end=4, type='LOC')]
    """
    complete: list[Span] = []
    if scheme == "plain":
        return complete
    begin, open_type = 0, None  # of the span that has not ended yet
    for at, tag in enumerate(tags):
        letter, type = _split(tag)
        if open_type is not None and (letter in "OBS" or type != open_type):
            complete.append(Span(begin, at, open_type))
            open_type = None
        if letter != "O" and open_type is None:
            begin, open_type = at, type
        if letter in "ES":
            complete.append(Span(begin, at + 1, type))
            open_type = None
    if open_type is not None:
        complete.append(Span(begin, len(tags), open_type))
    return complete


def spans_to_tags(spans: Sequence[Span], length: int, scheme: Scheme) -> list[str]:
    """The tags of `length` tokens that encode the spans: the inverse of `spans`."""
    letters = _LETTERS[scheme]
    tags = ["O"] * length
    for span in spans:
        for at in range(span.begin, span.end):
            tags[at] = _tag(letters[0] if at == span.begin else letters[1], span.type)
        if len(letters) == 4:
            single = span.end - span.begin == 1
            tags[span.end - 1] = _tag(letters[3] if single else letters[2], span.type)
    return tags


def repair_tags(tags: Sequence[str], scheme: Scheme) -> list[str]:
    """Tags for the same spans that follow the rules of the scheme.

    In bio, an I that does not follow a B or an I of its type becomes a B.
    """
    return list(tags) if scheme == "plain" else spans_to_tags(spans(tags, scheme), len(tags), scheme)


def allowed_transitions(tags: Sequence[str], scheme: Scheme) -> tuple[list[list[bool]], list[bool], list[bool]]:
    """Which tag may follow which ([i][j]: tag j after tag i), begin a sequence, and end a sequence."""
    split = [_split(tag) for tag in tags]
    unrestricted = scheme == "plain"
    has_end_tags = not unrestricted and len(_LETTERS[scheme]) == 4

    def is_allowed(before: tuple[str, str], after: tuple[str, str]) -> bool:
        continues = after[0] in "IME"
        is_open = before[0] in ("BIM" if has_end_tags or continues else "")  # in bio a span may end anywhere
        return unrestricted or (before[1] == after[1] if continues and is_open else continues == is_open)

    edge = ("O", "")
    between = [[is_allowed(before, after) for after in split] for before in split]
    return between, [is_allowed(edge, tag) for tag in split], [is_allowed(tag, edge) for tag in split]


def _split(tag: str) -> tuple[str, str]:
    letter, _, type = tag.partition("-")
    return letter, type


def _tag(letter: str, type: str) -> str:
    return f"{letter}-{type}" if type else letter
