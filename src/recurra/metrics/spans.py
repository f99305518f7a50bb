"""Metrics of tag sequences: of whole spans, computed by seqeval, and of single tags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..data.words.tag_schemes import Scheme, spans

Rows = Sequence[Sequence[str]]


def span_metrics(expected: Rows, predicted: Rows, scheme: Scheme) -> dict[str, Any]:
    """Precision, recall and F1 of whole spans, over all and by type, as conlleval computes them: seqeval's default mode."""
    from seqeval.metrics import classification_report  # type: ignore[import-untyped]

    if not any(spans(row, scheme) for rows in (expected, predicted) for row in rows):
        return {"precision": 0.0, "recall": 0.0, "f1": 0.0}  # seqeval would warn
    true, guessed = ([[_for_seqeval(tag) for tag in row] for row in rows] for rows in (expected, predicted))
    report = classification_report(true, guessed, output_dict=True, zero_division=0)
    total = report["micro avg"]
    types = {name: _type_metrics(row) for name, row in report.items() if not name.endswith(" avg")}
    return {
        "precision": float(total["precision"]),
        "recall": float(total["recall"]),
        "f1": float(total["f1-score"]),
        "by_type": types,
    }


def _for_seqeval(tag: str) -> str:
    """The tag as seqeval spells it: I inside a span, and O for tags of no span, which it would warn of."""
    letter, dash, type = tag.partition("-")
    return f"{'I' if letter == 'M' else letter}{dash}{type}" if letter in ("B", "I", "M", "E", "S") else "O"


def _type_metrics(row: dict[str, Any]) -> dict[str, float]:
    """A row of seqeval's report, with our names."""
    metrics = {
        name: float(row[key]) for name, key in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score"))
    }
    return {**metrics, "count": int(row["support"])}


def tag_metrics(expected: Rows, predicted: Rows) -> dict[str, Any]:
    """Precision, recall and F1 of each tag."""
    true, guessed, right = Counter[str](), Counter[str](), Counter[str]()
    for row, other in zip(expected, predicted, strict=True):
        true.update(row)
        guessed.update(other)
        right.update(a for a, b in zip(row, other, strict=True) if a == b)
    table = {}
    for tag in sorted(true | guessed):
        precision, recall = right[tag] / max(guessed[tag], 1), right[tag] / max(true[tag], 1)
        f1 = 2 * right[tag] / (true[tag] + guessed[tag])
        table[tag] = {"precision": precision, "recall": recall, "f1": f1, "count": true[tag]}
    return {"by_tag": table}
