"""Metrics of texts: error rates by hand, BLEU and chrF, several references."""

from __future__ import annotations

import math

import pytest

from recurra.metrics.text import multi_reference_metrics, text_metrics


def test_metrics_of_texts() -> None:
    metrics = text_metrics(["a b c", "d  e"], ["a x c", "d e"], by_character=False)
    assert metrics["token_error_rate"] == pytest.approx(1 / 5) and metrics["exact_match"] == 0.5
    assert text_metrics(["abd", ""], ["abc", "d"], by_character=True)["token_error_rate"] == pytest.approx(2 / 4)
    text = ["The quick brown fox jumps over it."]
    assert text_metrics(text, text, by_character=False)["bleu"] == pytest.approx(100)
    assert text_metrics(["the quick brown fox jumps over it."], text, by_character=False)["bleu"] < 99  # case counts
    chinese = text_metrics(["一个人在公园里走"], ["一个人在公园里坐"], by_character=True)
    assert chinese["bleu"] > 50  # tokenized into characters; as one word it would be 0


def test_metrics_with_several_references() -> None:
    """An exact match is one with any reference; n-grams may occur in any; errors are counted against the nearest."""
    references = [["the cat sat on a mat today", "a dog"], ["a bird flew over the sea", "birds fly", "one bird"]]
    right = multi_reference_metrics(["a dog", "one  bird"], references, by_character=False)
    assert right["exact_match"] == 1 and right["sequence_error_rate"] == right["token_error_rate"] == 0
    half = multi_reference_metrics(["a dog", "one bird more"], references, by_character=False)
    assert half["exact_match"] == 0.5 and half["token_error_rate"] == pytest.approx(1 / 4)
    # "x y" has 2 errors against "z" and 3 against the other, whose error rate is lower: 3 of 4 tokens, not 2 of 1
    assert multi_reference_metrics(["x y"], [["z", "x a b c"]], by_character=False)[
        "token_error_rate"
    ] == pytest.approx(3 / 4)
    assert multi_reference_metrics(["abd"], [["xyz", "abc"]], by_character=True)["token_error_rate"] == pytest.approx(
        1 / 3
    )
    answers = ["the cat sat on a mat", "a bird flew over a sea"]
    either = [["the cat sat on the mat", "there sat on a mat the cat"], ["a bird flew over the sea"]]
    several = multi_reference_metrics(answers, either, by_character=False)
    single = [text_metrics(answers, [texts[at % len(texts)] for texts in either], by_character=False) for at in (0, 1)]
    # by hand, for both answers: unigrams 6 + 5 (the second has one "a" too many), bigrams 5 + 3, trigrams 4 + 2, 4-grams 2 + 1
    precisions = [11 / 12, 8 / 10, 6 / 8, 3 / 6]
    assert several["bleu"] == pytest.approx(100 * math.prod(precisions) ** 0.25)
    assert several["bleu"] > max(one["bleu"] for one in single)
    assert several["chrf"] == pytest.approx(max(one["chrf"] for one in single))
