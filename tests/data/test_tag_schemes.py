"""Tag schemes: inference, encoding and decoding of spans, and repair of invalid tags."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from recurra.data.words.tag_schemes import (
    SCHEMES,
    Scheme,
    Span,
    all_tags,
    allowed_transitions,
    check_tags,
    find_scheme,
    repair_tags,
    spans,
    spans_to_tags,
)
from recurra.errors import DataError

STRUCTURED: tuple[Scheme, ...] = ("bio", "bioes", "bmes")


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        ("O B-PER I-PER", "bio"),
        ("O I-PER", "bio"),
        ("B-PER", "bio"),
        ("B I O", "bio"),
        ("O B-PER I-PER E-PER S-LOC", "bioes"),
        ("O B-PER E-PER S-LOC", "bioes"),
        ("O B-NAME M-NAME E-NAME", "bmes"),
        ("B M E S", "bmes"),
        ("NOUN VERB X", "plain"),
        ("0 1", "plain"),
        ("O", "plain"),
        ("E S", "plain"),
        ("NN IN ,", "plain"),
        ("A-x B-x", "plain"),
    ],
)
def test_the_scheme_is_found(tags: str, scheme: str) -> None:
    assert find_scheme(tags.split()) == scheme


def test_unsupported_schemes() -> None:
    with pytest.raises(DataError, match=r"'L-PER' belongs to no supported scheme \(bio, bioes, bmes\)"):
        find_scheme(["O", "B-PER", "I-PER", "L-PER", "U-PER"])
    with pytest.raises(DataError, match="'L-PER' belongs to no supported scheme"):
        find_scheme(["O", "L-PER", "U-PER"])
    with pytest.raises(DataError, match="'X' belongs to no supported scheme"):
        find_scheme(["O", "B-PER", "I-PER", "X"])
    with pytest.raises(DataError, match="tags with I and tags with M"):
        find_scheme(["O", "B-PER", "I-PER", "M-PER"])
    with pytest.raises(DataError, match="'E-PER' does not belong to the scheme bio"):
        check_tags(["O", "E-PER"], "bio")


def random_spans(draw: random.Random, length: int) -> list[Span]:
    found, at = [], 0
    while at < length:
        if draw.random() < 0.6:
            end = min(length, at + draw.randint(1, 5))
            found.append(Span(at, end, draw.choice("XY")))
            at = end
        else:
            at += 1
    return found


@pytest.mark.parametrize("scheme", STRUCTURED)
def test_tags_of_spans_encode_these_spans(scheme: Scheme) -> None:
    draw = random.Random(0)
    for _ in range(200):
        length = draw.randint(1, 9)
        found = random_spans(draw, length)
        tags = spans_to_tags(found, length, scheme)
        assert spans(tags, scheme) == found
        assert repair_tags(tags, scheme) == tags


@pytest.mark.parametrize("scheme", STRUCTURED)
def test_invalid_tags_are_repaired(scheme: Scheme) -> None:
    """Repair does not change the spans, and repaired tags follow the rules."""
    draw = random.Random(1)
    every = all_tags(["B-X", "B-Y", "O"], scheme)
    between, first, last = allowed_transitions(every, scheme)
    for _ in range(300):
        tags = [draw.choice(every) for _ in range(draw.randint(1, 8))]
        whole = repair_tags(tags, scheme)
        assert spans(whole, scheme) == spans(tags, scheme)
        at = [every.index(tag) for tag in whole]
        assert first[at[0]] and last[at[-1]] and all(between[a][b] for a, b in pairwise(at))


@pytest.mark.parametrize("scheme", STRUCTURED)
def test_allowed_transitions_are_those_of_encoded_spans(scheme: Scheme) -> None:
    """A pair of tags is allowed if and only if it occurs in the tags of some spans."""
    draw = random.Random(2)
    every = all_tags(["B-X", "B-Y", "O"], scheme)
    seen, begun, ended = set(), set(), set()
    for _ in range(4000):
        length = draw.randint(1, 6)
        tags = spans_to_tags(random_spans(draw, length), length, scheme)
        seen |= set(pairwise(tags))
        begun.add(tags[0])
        ended.add(tags[-1])
    between, first, last = allowed_transitions(every, scheme)
    assert {(a, b) for i, a in enumerate(every) for j, b in enumerate(every) if between[i][j]} == seen
    assert {tag for tag, may in zip(every, first, strict=True) if may} == begun
    assert {tag for tag, may in zip(every, last, strict=True) if may} == ended


def test_an_inside_tag_without_a_begin_tag_begins_a_span() -> None:
    expected = ["O", "B-X", "I-X", "O", "B-Y", "B-X", "B-Y"]
    assert repair_tags(["O", "I-X", "I-X", "O", "I-Y", "B-X", "I-Y"], "bio") == expected
    assert repair_tags(["O", "M-X", "E-X", "M-X", "O"], "bmes") == ["O", "B-X", "E-X", "S-X", "O"]


def test_spans_equal_those_of_seqeval() -> None:
    from seqeval.metrics.sequence_labeling import get_entities

    draw = random.Random(3)
    for scheme in ("bio", "bioes"):
        every = all_tags(["B-X", "B-Y", "O"], scheme)
        for _ in range(500):
            tags = [draw.choice(every) for _ in range(draw.randint(1, 8))]
            theirs = {(begin, end + 1, type) for type, begin, end in get_entities(tags)}
            assert {tuple(span) for span in spans(tags, scheme)} == theirs, tags


def test_plain_tags_encode_no_spans() -> None:
    assert spans(["NOUN", "B-X"], "plain") == [] and repair_tags(["I-X"], "plain") == ["I-X"]
    assert all(map(all, allowed_transitions(["a", "b"], "plain")[0])) and SCHEMES[-1] == "plain"
