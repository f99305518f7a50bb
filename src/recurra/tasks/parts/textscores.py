"""Figures of written texts against the ones wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...data.words import han_share


def scores_of(written: Sequence[str], wanted: Sequence[str], *, letters: bool) -> dict[str, Any]:
    """BLEU and chrF (0 to 100, by sacrebleu), exact match, token and sequence error rate (shares).

    A token is a character with `letters`, else a word between blanks: the error rate is the smallest number of tokens put
    in, left out and changed, over those wanted. BLEU cuts words as 13a does, Chinese into characters (zh); its case counts.
    """
    from sacrebleu.compat import corpus_bleu, corpus_chrf
    from torchmetrics.functional.text import char_error_rate, word_error_rate

    written, wanted = ([" ".join(text.split()) for text in texts] for texts in (written, wanted))
    exact = sum(a == b for a, b in zip(written, wanted, strict=True)) / len(wanted)
    rate = (char_error_rate if letters else word_error_rate)(written, wanted)
    cut = "zh" if han_share(wanted) > 0.5 else "13a"
    return {
        "bleu": corpus_bleu(written, [wanted], tokenize=cut, force=True).score,
        "chrf": corpus_chrf(written, [wanted]).score,
        "exact_match": exact,
        "token_error_rate": float(rate),
        "sequence_error_rate": 1 - exact,
    }


def error_rates(written: Sequence[str], wanted: Sequence[str]) -> dict[str, float]:
    """Word and character error rate: the fewest words put in, left out and changed, over those wanted; exact match."""
    from torchmetrics.functional.text import char_error_rate, word_error_rate

    written, wanted = ([" ".join(text.split()) for text in texts] for texts in (written, wanted))
    return {
        "wer": float(word_error_rate(written, wanted)),
        "cer": float(char_error_rate(written, wanted)),
        "exact_match": sum(a == b for a, b in zip(written, wanted, strict=True)) / len(wanted),
    }
