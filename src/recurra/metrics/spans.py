"""Metrics of tag sequences: of whole spans, computed by seqeval, and of single tags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..data.words.tag_schemes import Scheme, spans

TagSequences = Sequence[Sequence[str]]


def span_metrics(expected: TagSequences, predicted: TagSequences, scheme: Scheme) -> dict[str, Any]:
    """Precision, recall and F1 of whole spans, in total and by type.

    They are computed by seqeval in its default mode, which agrees with conlleval. A predicted span is correct if its
    boundaries and its type are correct. The total is the micro average over types.
    """
    from seqeval.metrics import classification_report  # type: ignore[import-untyped]

    if not any(spans(tags, scheme) for sequences in (expected, predicted) for tags in sequences):
        return {"precision": 0.0, "recall": 0.0, "f1": 0.0}  # seqeval would warn
    true, guessed = ([[_for_seqeval(tag) for tag in tags] for tags in sequences] for sequences in (expected, predicted))
    report = classification_report(true, guessed, output_dict=True, zero_division=0)
    total = report["micro avg"]
    types = {name: _type_metrics(entry) for name, entry in report.items() if not name.endswith(" avg")}
    return {
        "precision": float(total["precision"]),
        "recall": float(total["recall"]),
        "f1": float(total["f1-score"]),
        "by_type": types,
    }


def _for_seqeval(tag: str) -> str:
    """The tag in a scheme that seqeval supports: I instead of M, and O for a tag of no span, which causes a warning."""
    letter, hyphen, type = tag.partition("-")
    return f"{'I' if letter == 'M' else letter}{hyphen}{type}" if letter in ("B", "I", "M", "E", "S") else "O"


def _type_metrics(entry: dict[str, Any]) -> dict[str, float]:
    """An entry of seqeval's report with the names of recurra."""
    metrics = {
        name: float(entry[key]) for name, key in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score"))
    }
    return {**metrics, "count": int(entry["support"])}


def tag_metrics(expected: TagSequences, predicted: TagSequences) -> dict[str, Any]:
    """Precision, recall and F1 of each tag, and the number of tokens that have the tag."""
    true, guessed, correct = Counter[str](), Counter[str](), Counter[str]()
    for true_tags, guessed_tags in zip(expected, predicted, strict=True):
        true.update(true_tags)
        guessed.update(guessed_tags)
        correct.update(a for a, b in zip(true_tags, guessed_tags, strict=True) if a == b)
    table = {}
    for tag in sorted(true | guessed):
        precision, recall = correct[tag] / max(guessed[tag], 1), correct[tag] / max(true[tag], 1)
        f1 = 2 * correct[tag] / (true[tag] + guessed[tag])
        table[tag] = {"precision": precision, "recall": recall, "f1": f1, "count": true[tag]}
    return {"by_tag": table}
