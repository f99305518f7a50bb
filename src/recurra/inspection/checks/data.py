"""Checks of the data: unknown tokens, unbalanced classes, validation examples that are trained on."""

from __future__ import annotations

from ..evidence import Evidence, NoEvidenceError
from ..findings import Finding, Severity
from .base import Check

UNKNOWN = 0.2  # of the tokens; words of natural text with the usual vocabulary are below 0.1
IMBALANCE = 20.0  # rows of the largest class for each row of the smallest one
SHARED = 0.1  # of the validation examples


def vocabulary_too_small(evidence: Evidence) -> Finding | None:
    """Many tokens of the validation part are not in the vocabulary."""
    unknown = evidence.quality.unknown
    if not unknown:
        raise NoEvidenceError("there is no vocabulary of tokens, or words are also read by their characters")
    name = max(unknown, key=unknown.__getitem__)
    if unknown[name] < UNKNOWN:
        return None
    data = evidence.run.settings.data
    size = getattr(data, "vocabulary_size", None)
    words = getattr(data, "tokenization", None) == "words"
    remedy = "--set tokenization=subwords" if words else "--set min_count=1"
    if isinstance(size, int):
        remedy += f", or --set vocabulary_size={10 * size}" + (" --set min_count=1" if words else "")
    return Finding(
        "vocabulary too small",
        f"{unknown[name]:.0%} of the tokens of {name!r} in the validation part are unknown",
        "All unknown tokens look the same to the network.",
        remedy,
        Severity.serious,
    )


def class_imbalance(evidence: Evidence) -> Finding | None:
    """A class has far more training examples than another one."""
    if not evidence.quality.classes:
        raise NoEvidenceError("the task has no classes")
    for name, counts in evidence.quality.classes.items():
        most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
        if counts[most] >= IMBALANCE * max(counts[least], 1):
            return Finding(
                "class imbalance",
                f"{name}: {counts[most]:,} training examples of {most!r}, {counts[least]:,} of {least!r}",
                "The accuracy can be high although rare classes are never predicted; see macro_f1 in metrics.json.",
                f"add or repeat rows of {least!r}",
                Severity.notable,
            )
    return None


def duplicates_across_the_split(evidence: Evidence) -> Finding | None:
    """Validation examples are also in the training part."""
    quality = evidence.quality
    if quality.shared is None:
        raise NoEvidenceError("the examples of this task are not compared")
    fraction = quality.shared / max(quality.valid_rows, 1)
    if fraction < SHARED:
        return None
    return Finding(
        "duplicates across the split",
        f"{quality.shared:,} of {quality.valid_rows:,} validation examples ({fraction:.0%}) are also in the training part",
        "The validation metrics measure memory: they are better than on new data.",
        "remove these rows from the file of --valid; without --valid, equal inputs are always on one side",
        Severity.serious,
    )


VOCABULARY = Check("vocabulary too small", vocabulary_too_small)
IMBALANCED = Check("class imbalance", class_imbalance)
DUPLICATES = Check("duplicates across the split", duplicates_across_the_split)
