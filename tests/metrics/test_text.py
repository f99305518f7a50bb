"""Metrics of texts: error rates by hand, BLEU and chrF, several references."""

from __future__ import annotations

import math

import pytest

from recurra.metrics.text import text_metrics, multi_reference_metrics


def test_figures_of_texts() -> None:
    figures = text_metrics(["a b c", "d  e"], ["a x c", "d e"], by_character=False)
    assert figures["token_error_rate"] == pytest.approx(1 / 5) and figures["exact_match"] == 0.5
    assert text_metrics(["abd", ""], ["abc", "d"], by_character=True)["token_error_rate"] == pytest.approx(2 / 4)
    text = ["The quick brown fox jumps over it."]
    assert text_metrics(text, text, by_character=False)["bleu"] == pytest.approx(100)
    assert text_metrics(["the quick brown fox jumps over it."], text, by_character=False)["bleu"] < 99  # case counts
    chinese = text_metrics(["一个人在公园里走"], ["一个人在公园里坐"], by_character=True)
    assert chinese["bleu"] > 50  # cut into characters; as one word it would be 0


def test_figures_of_texts_that_may_be_any_of_several() -> None:
    """An answer is right that is one of them; each piece of it may stand in any; errors are those against the nearest."""
    wanted = [["the cat sat on a mat today", "a dog"], ["a bird flew over the sea", "birds fly", "one bird"]]
    right = multi_reference_metrics(["a dog", "one  bird"], wanted, by_character=False)
    assert right["exact_match"] == 1 and right["sequence_error_rate"] == right["token_error_rate"] == 0
    half = multi_reference_metrics(["a dog", "one bird more"], wanted, by_character=False)
    assert half["exact_match"] == 0.5 and half["token_error_rate"] == pytest.approx(1 / 4)
    # "x y" is 2 errors from "z" and 3 from the other, yet nearer to that: 3 of 4 tokens, and not 2 of 1
    assert multi_reference_metrics(["x y"], [["z", "x a b c"]], by_character=False)["token_error_rate"] == pytest.approx(3 / 4)
    assert multi_reference_metrics(["abd"], [["xyz", "abc"]], by_character=True)["token_error_rate"] == pytest.approx(1 / 3)
    answers = ["the cat sat on a mat", "a bird flew over a sea"]
    either = [["the cat sat on the mat", "there sat on a mat the cat"], ["a bird flew over the sea"]]
    several = multi_reference_metrics(answers, either, by_character=False)
    lone = [text_metrics(answers, [texts[at % len(texts)] for texts in either], by_character=False) for at in (0, 1)]
    # by hand, of both answers: words 6 + 5 (the second has one "a" too many), pairs 5 + 3, threes 4 + 2, fours 2 + 1
    shares = [11 / 12, 8 / 10, 6 / 8, 3 / 6]
    assert several["bleu"] == pytest.approx(100 * math.prod(shares) ** 0.25)
    assert several["bleu"] > max(one["bleu"] for one in lone)
    assert several["chrf"] == pytest.approx(max(one["chrf"] for one in lone))
