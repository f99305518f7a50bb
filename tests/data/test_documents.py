"""Whether pieces between blank lines, or lines, stand alone or go on: on texts made for it, and on a play and on poems."""

from __future__ import annotations

import gzip
import json
import os
import random
from pathlib import Path

import pytest

from recurra.data.words.documents import kinship, pieces_of

WORDS = ["".join(random.Random(n).choices("abcdefghijklmnopqrstuvwxyz", k=6)) for n in range(400)]


def texts(scene: int, seed: int = 0, count: int = 300, between: str = "\n\n") -> str:
    """Pieces of ten words each; those of one scene, so many after each other, draw from the same twenty words."""
    draw, pieces = random.Random(seed), []
    for n in range(count):
        if n % scene == 0:
            known = draw.sample(WORDS, 20) if scene > 1 else WORDS
        pieces.append(" ".join(draw.choices(known, k=10)))
    return between.join(pieces)


def test_pieces_of_scenes_go_on_and_pieces_of_chance_stand_alone() -> None:
    assert not pieces_of(texts(10)).separator and "blank lines go on" in pieces_of(texts(10)).why
    assert pieces_of(texts(1)).separator == "\n\n" and "blank lines stand alone" in pieces_of(texts(1)).why


def test_where_there_are_no_blank_lines_lines_are_the_pieces() -> None:
    assert not pieces_of(texts(10, between="\n")).separator and "lines go on" in pieces_of(texts(10, between="\n")).why
    assert pieces_of(texts(1, between="\n")).separator == "\n"


def test_kinship_by_hand() -> None:
    assert kinship(["abcd"] * 40) == 0.0
    # four blocks of ten equal pieces: near ones are of one block unless it ends between them, far ones never are
    near = [i // 10 == (i + step) // 10 for i in range(38) for step in (1, 2)]
    assert kinship([block * 4 for block in "abcd" for _ in range(10)]) == pytest.approx(sum(near) / len(near))
    # abcd and abce share one of the two runs that each has
    assert kinship(["abcd", "abce", "wxyz"] * 20) == pytest.approx(
        1 / 6 - 4 / 9, abs=0.1
    )  # far ones are equal one time in three


def test_few_or_long_pieces_are_no_pieces() -> None:
    assert pieces_of(texts(1, count=15)) == ("", "")
    assert pieces_of("\n\n".join(["word " * 300] * 50)) == ("", "")
    assert pieces_of("no blank line") == ("", "")


@pytest.mark.skipif("RECURRA_DATA" not in os.environ, reason="RECURRA_DATA names no folder of data sets")
def test_a_play_goes_on_and_poems_stand_alone() -> None:
    data = Path(os.environ["RECURRA_DATA"])
    play = pieces_of((data / "tinyshakespeare" / "input.txt").read_text(encoding="utf-8")[:300_000])
    with gzip.open(data / "chinese_poetry" / "poet.tang.0.json.gz", "rt", encoding="utf-8") as file:
        poems = pieces_of("\n\n".join("\n".join(poem["paragraphs"]) for poem in json.load(file)))
    assert play.why and not play.separator
    assert poems.separator == "\n\n"
