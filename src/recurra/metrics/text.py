"""Metrics of generated texts against references."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any

from ..data.words.pretokenize import han_fraction


def scores_of(texts: Sequence[str], references: Sequence[str], *, letters: bool) -> dict[str, Any]:
    """BLEU and chrF (0 to 100, by sacrebleu), exact match, token and sequence error rate (0 to 1).

    A token is a character with `letters`, else a word between blanks: the error rate is the number of insertions, deletions
    and substitutions over the number of reference tokens. BLEU is case-sensitive and tokenizes as 13a, Chinese as zh.
    """
    return scores_of_any(texts, [[reference] for reference in references], letters=letters)


def scores_of_any(texts: Sequence[str], references: Sequence[Sequence[str]], *, letters: bool) -> dict[str, Any]:
    """As `scores_of`, with one or more references for each text.

    An exact match is one with any reference. BLEU and chrF take all of them, as sacrebleu does: an n-gram counts that is in
    any, as often as it is in one; BLEU's length is that of the nearest length. The token error rate is that against the
    reference with the lowest rate for the text, whose tokens are counted.
    """
    from sacrebleu.compat import corpus_bleu, corpus_chrf
    from torchmetrics.functional.text import char_error_rate, word_error_rate

    texts = [_normalized(text) for text in texts]
    references = [[_normalized(reference) for reference in several] for several in references]
    rate = char_error_rate if letters else word_error_rate
    exact = sum(text in several for text, several in zip(texts, references, strict=True)) / len(references)
    nearest = [_nearest(text, several, rate) for text, several in zip(texts, references, strict=True)]
    tokenizer = "zh" if han_fraction([reference for several in references for reference in several]) > 0.5 else "13a"
    streams = list(zip_longest(*references))  # the first of each text, the second, ...; None where there are no more
    return {
        "bleu": corpus_bleu(texts, streams, tokenize=tokenizer, force=True).score,
        "chrf": corpus_chrf(texts, streams).score,
        "exact_match": exact,
        "token_error_rate": float(rate(texts, nearest)),
        "sequence_error_rate": 1 - exact,
    }


def error_rates(texts: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Word and character error rate: insertions, deletions and substitutions over reference tokens; exact match."""
    from torchmetrics.functional.text import char_error_rate, word_error_rate

    texts, references = ([_normalized(text) for text in several] for several in (texts, references))
    return {
        "wer": float(word_error_rate(texts, references)),
        "cer": float(char_error_rate(texts, references)),
        "exact_match": sum(a == b for a, b in zip(texts, references, strict=True)) / len(references),
    }


def _normalized(text: str) -> str:
    """Single blanks between words, none at the ends."""
    return " ".join(text.split())


def _nearest(text: str, references: Sequence[str], rate: Callable[[list[str], list[str]], Any]) -> str:
    """The reference with the lowest error rate."""
    if len(references) == 1:
        return references[0]
    return min(references, key=lambda reference: float(rate([text], [reference])))
