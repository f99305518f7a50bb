"""Detection of independent texts between blank lines or in lines: on generated texts, a play and poems."""

from __future__ import annotations

import gzip
import json
import os
import random
from pathlib import Path

import pytest

from recurra.data.words.documents import continuity, detect_independent_texts

WORDS = ["".join(random.Random(n).choices("abcdefghijklmnopqrstuvwxyz", k=6)) for n in range(400)]


def texts(scene: int, seed: int = 0, count: int = 300, between: str = "\n\n") -> str:
    """Segments of ten words each. The `scene` segments of a scene, which follow each other, use the same twenty words."""
    draw, segments = random.Random(seed), []
    for n in range(count):
        if n % scene == 0:
            words = draw.sample(WORDS, 20) if scene > 1 else WORDS
        segments.append(" ".join(draw.choices(words, k=10)))
    return between.join(segments)


def test_scenes_are_continuous_and_random_segments_are_independent() -> None:
    scenes, independent = detect_independent_texts(texts(10)), detect_independent_texts(texts(1))
    assert not scenes.separator and "blank lines form a continuous text" in scenes.description
    assert independent.separator == "\n\n" and "blank lines are independent texts" in independent.description


def test_without_blank_lines_the_segments_are_lines() -> None:
    scenes = detect_independent_texts(texts(10, between="\n"))
    assert not scenes.separator and "lines form a continuous text" in scenes.description
    assert detect_independent_texts(texts(1, between="\n")).separator == "\n"


def test_continuity_by_hand() -> None:
    assert continuity(["abcd"] * 40) == 0.0
    # Four blocks of ten equal segments: neighbors are in one block unless it ends between them, distant ones never are.
    near = [i // 10 == (i + step) // 10 for i in range(38) for step in (1, 2)]
    assert continuity([block * 4 for block in "abcd" for _ in range(10)]) == pytest.approx(sum(near) / len(near))
    # abcd and abce have one trigram of two in common.
    assert continuity(["abcd", "abce", "wxyz"] * 20) == pytest.approx(
        1 / 6 - 4 / 9, abs=0.1
    )  # one of three distant pairs is equal


def test_few_or_long_segments_are_not_examined() -> None:
    assert detect_independent_texts(texts(1, count=15)) == ("", "")
    assert detect_independent_texts("\n\n".join(["word " * 300] * 50)) == ("", "")
    assert detect_independent_texts("no blank line") == ("", "")


@pytest.mark.skipif("RECURRA_DATA" not in os.environ, reason="RECURRA_DATA is not set")
def test_a_play_is_continuous_and_poems_are_independent() -> None:
    data = Path(os.environ["RECURRA_DATA"])
    play = detect_independent_texts((data / "tinyshakespeare" / "input.txt").read_text(encoding="utf-8")[:300_000])
    with gzip.open(data / "chinese_poetry" / "poet.tang.0.json.gz", "rt", encoding="utf-8") as file:
        poems = detect_independent_texts("\n\n".join("\n".join(poem["paragraphs"]) for poem in json.load(file)))
    assert play.description and not play.separator
    assert poems.separator == "\n\n"
