"""Metrics of generated texts against references."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any

from ..data.words.pretokenize import han_fraction


def text_metrics(texts: Sequence[str], references: Sequence[str], *, by_character: bool) -> dict[str, Any]:
    """BLEU and chrF (0 to 100, computed by sacrebleu), exact match, token error rate and sequence error rate (0 to 1).

    BLEU has the effective order: if all texts have fewer than four words, shorter sequences of words are counted.

    The token error rate is the number of insertions, deletions and substitutions divided by the number of reference tokens. A
    token is a character if `by_character` is set, and a word between spaces otherwise. BLEU is case-sensitive; it tokenizes
    Chinese with `zh` and other text with `13a`.
    """
    return multi_reference_metrics(texts, [[reference] for reference in references], by_character=by_character)


def multi_reference_metrics(
    texts: Sequence[str], references: Sequence[Sequence[str]], *, by_character: bool
) -> dict[str, Any]:
    """The metrics of `text_metrics`, with one or more references for each text.

    A text matches exactly if it equals any of its references. BLEU and chrF use all references, as defined by sacrebleu: the
    count of an n-gram is clipped to its largest count in one reference, and the reference length of BLEU is the closest one.
    The token error rate uses the reference with the lowest error rate for each text, and counts the tokens of that reference.
    """
    from sacrebleu.compat import corpus_bleu, corpus_chrf
    from torchmetrics.functional.text import char_error_rate, word_error_rate

    texts = [_normalized(text) for text in texts]
    references = [[_normalized(reference) for reference in several] for several in references]
    rate = char_error_rate if by_character else word_error_rate
    exact = sum(text in several for text, several in zip(texts, references, strict=True)) / len(references)
    nearest = [_nearest(text, several, rate) for text, several in zip(texts, references, strict=True)]
    tokenizer = "zh" if han_fraction([reference for several in references for reference in several]) > 0.5 else "13a"
    streams = list(zip_longest(*references))  # the first reference of each text, the second, ...; None fills
    return {
        "bleu": corpus_bleu(texts, streams, tokenize=tokenizer, force=True, use_effective_order=True).score,
        "chrf": corpus_chrf(texts, streams).score,
        "exact_match": exact,
        "token_error_rate": float(rate(texts, nearest)),
        "sequence_error_rate": 1 - exact,
    }


def error_rates(texts: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Word error rate (`wer`), character error rate (`cer`) and exact match.

    An error rate is the number of insertions, deletions and substitutions divided by the number of reference tokens.
    """
    from torchmetrics.functional.text import char_error_rate, word_error_rate

    texts, references = ([_normalized(text) for text in several] for several in (texts, references))
    return {
        "wer": float(word_error_rate(texts, references)),
        "cer": float(char_error_rate(texts, references)),
        "exact_match": sum(a == b for a, b in zip(texts, references, strict=True)) / len(references),
    }


def _normalized(text: str) -> str:
    """The text with single spaces between words, and none at the ends."""
    return " ".join(text.split())


def _nearest(text: str, references: Sequence[str], rate: Callable[[list[str], list[str]], Any]) -> str:
    """The reference for which the text has the lowest error rate."""
    if len(references) == 1:
        return references[0]
    return min(references, key=lambda reference: float(rate([text], [reference])))
