"""Metrics of tag sequences: spans, compared with seqeval, and single tags."""

from __future__ import annotations

import random

import pytest

from recurra.data.words.tag_schemes import spans
from recurra.metrics.spans import span_metrics, tag_metrics


def test_bmes_has_the_metrics_of_bioes() -> None:
    """seqeval does not support M; the converted tags must encode the same spans."""
    draw = random.Random(0)
    tags = ["O", *(f"{letter}-{kind}" for letter in "BMES" for kind in "XY")]
    expected, predicted = ([[draw.choice(tags) for _ in range(9)] for _ in range(50)] for _ in range(2))
    true, guess = (
        {(n, *span) for n, row in enumerate(rows) for span in spans(row, "bmes")} for rows in (expected, predicted)
    )
    metrics = span_metrics(expected, predicted, "bmes")
    assert metrics["precision"] == pytest.approx(len(true & guess) / len(guess))
    assert metrics["recall"] == pytest.approx(len(true & guess) / len(true))


def test_metrics_of_single_tags() -> None:
    table = tag_metrics([["a", "a", "b"], ["c"]], [["a", "b", "b"], ["a"]])["by_tag"]
    assert table["a"] == {"precision": 0.5, "recall": 0.5, "f1": 0.5, "count": 2}
    assert table["b"] == {"precision": 0.5, "recall": 1.0, "f1": 2 / 3, "count": 1}
    assert table["c"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "count": 1}


def test_sequences_without_spans_have_no_types() -> None:
    assert span_metrics([["O", "O"]], [["O", "O"]], "bio") == {"precision": 0.0, "recall": 0.0, "f1": 0.0}


def test_spans_are_counted_by_type() -> None:
    """Expected are a person, a place and a person; predicted are the place, and a person that ends too late."""
    expected = [["B-PER", "O", "B-LOC", "I-LOC"], ["B-PER", "O"]]
    predicted = [["O", "O", "B-LOC", "I-LOC"], ["B-PER", "I-PER"]]
    metrics = span_metrics(expected, predicted, "bio")
    assert (metrics["precision"], metrics["recall"], metrics["f1"]) == pytest.approx((1 / 2, 1 / 3, 2 / 5))
    assert metrics["by_type"] == {
        "LOC": {"precision": 1.0, "recall": 1.0, "f1": 1.0, "count": 1},
        "PER": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "count": 2},
    }


def test_tags_of_another_scheme_count_as_outside() -> None:
    """Evaluation data may contain tags of another scheme."""
    assert span_metrics([["B-X", "L-X"]], [["B-X", "O"]], "bio")["f1"] == 1.0
