"""Figures of tags: spans by seqeval, single tags counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..data.words.tag_schemes import Scheme, spans

Rows = Sequence[Sequence[str]]


def span_figures(wanted: Rows, predicted: Rows, scheme: Scheme) -> dict[str, Any]:
    """Precision, recall and F1 of whole spans, in all and by type, as conlleval reckons them: seqeval's default mode."""
    from seqeval.metrics import classification_report  # type: ignore[import-untyped]

    empty = {"precision": 0.0, "recall": 0.0, "f1": 0.0}
    if not any(spans(row, scheme) for rows in (wanted, predicted) for row in rows):
        return empty  # which seqeval would warn of
    true, guessed = ([[_for_seqeval(tag) for tag in row] for row in rows] for rows in (wanted, predicted))
    report = classification_report(true, guessed, output_dict=True, zero_division=0)
    total = report["micro avg"]
    types = {name: _plain(row) for name, row in report.items() if not name.endswith(" avg")}
    return {
        "precision": float(total["precision"]),
        "recall": float(total["recall"]),
        "f1": float(total["f1-score"]),
        "by_type": types,
    }


def _for_seqeval(tag: str) -> str:
    """It calls the inside of a span I, and warns of what is no tag of a span, which data to evaluate on may have."""
    letter, dash, type = tag.partition("-")
    return f"{'I' if letter == 'M' else letter}{dash}{type}" if letter in ("B", "I", "M", "E", "S") else "O"


def _plain(row: dict[str, Any]) -> dict[str, float]:
    figures = {
        name: float(row[key]) for name, key in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score"))
    }
    return {**figures, "count": int(row["support"])}


def tag_figures(wanted: Rows, predicted: Rows) -> dict[str, Any]:
    """Precision, recall and F1 of each tag."""
    true, guessed, right = Counter[str](), Counter[str](), Counter[str]()
    for one, other in zip(wanted, predicted, strict=True):
        true.update(one)
        guessed.update(other)
        right.update(a for a, b in zip(one, other, strict=True) if a == b)
    table = {}
    for tag in sorted(true | guessed):
        precision, recall = right[tag] / max(guessed[tag], 1), right[tag] / max(true[tag], 1)
        f1 = 2 * right[tag] / (true[tag] + guessed[tag])
        table[tag] = {"precision": precision, "recall": recall, "f1": f1, "count": true[tag]}
    return {"by_tag": table}
