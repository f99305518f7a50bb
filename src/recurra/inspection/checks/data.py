"""Checks of the data: unknown tokens, unbalanced classes, validation examples that are trained on."""

from __future__ import annotations

from ..evidence import Evidence, NoEvidenceError
from ..findings import Severity
from .base import Check, Measured


def vocabulary_too_small(evidence: Evidence) -> Measured:
    """The fraction of the tokens of the training part that are not in the vocabulary, because it is limited."""
    unknown = evidence.quality.unknown
    if not unknown:
        raise NoEvidenceError("there is no vocabulary of tokens, or words are also read by their characters")
    name = max(unknown, key=unknown.__getitem__)
    data = evidence.run.settings.data
    size = getattr(data, "vocabulary_size", None)
    words = getattr(data, "tokenization", None) == "words"
    given = [f"--set vocabulary_size={10 * size}"] if isinstance(size, int) else []
    if (getattr(data, "min_count", None) or 1) > 1:
        given.append("--set min_count=1")
    facts = {
        "field": name,
        "percent": f"{unknown[name]:.0%}",
        "settings": " ".join(given) or ("--set tokenization=subwords" if words else "--set tokenization=characters"),
    }
    return Measured(unknown[name], facts)


def class_imbalance(evidence: Evidence) -> Measured:
    """The number of training examples of the largest class for each one of the smallest class."""
    if not evidence.quality.classes:
        raise NoEvidenceError("the task has no classes")
    worst = Measured(0.0)
    for name, counts in evidence.quality.classes.items():
        most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
        ratio = counts[most] / max(counts[least], 1)
        facts = {"field": name, "most": most, "least": least}
        facts |= {"most_rows": f"{counts[most]:,}", "least_rows": f"{counts[least]:,}"}
        worst = max(worst, Measured(ratio, facts), key=lambda one: one.value)
    return worst


def duplicates_across_the_split(evidence: Evidence) -> Measured:
    """The fraction of the validation examples whose input is also in the training part."""
    quality = evidence.quality
    if quality.shared is None:
        raise NoEvidenceError("the examples of this task are not compared")
    fraction = quality.shared / max(quality.compared, 1)
    facts = {"shared": f"{quality.shared:,}", "rows": f"{quality.compared:,}", "percent": f"{fraction:.0%}"}
    return Measured(fraction, facts)


VOCABULARY = Check("vocabulary", vocabulary_too_small, 0.35, Severity.serious)
IMBALANCED = Check("imbalance", class_imbalance, 50.0, Severity.notable)
DUPLICATES = Check("duplicates", duplicates_across_the_split, 0.05, Severity.serious)
