"""Figures of written texts against the ones wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any

from ..data.words.pretokenize import han_share


def scores_of(written: Sequence[str], wanted: Sequence[str], *, letters: bool) -> dict[str, Any]:
    """BLEU and chrF (0 to 100, by sacrebleu), exact match, token and sequence error rate (shares).

    A token is a character with `letters`, else a word between blanks: the error rate is the smallest number of tokens put
    in, left out and changed, over those wanted. BLEU cuts words as 13a does, Chinese into characters (zh); its case counts.
    """
    return scores_of_any(written, [[text] for text in wanted], letters=letters)


def scores_of_any(written: Sequence[str], wanted: Sequence[Sequence[str]], *, letters: bool) -> dict[str, Any]:
    """As `scores_of`, where each text may be any of several, one at least.

    An exact match is one with any of them. BLEU and chrF take them all, as sacrebleu does: a piece counts that is in any,
    as often as it is in one; BLEU's length is that of the nearest length. Of tokens, the errors are those against the text
    with the lowest rate of them, and the tokens wanted are those of that text.
    """
    from sacrebleu.compat import corpus_bleu, corpus_chrf
    from torchmetrics.functional.text import char_error_rate, word_error_rate

    written, wanted = [_spaced(text) for text in written], [[_spaced(text) for text in texts] for texts in wanted]
    rate = char_error_rate if letters else word_error_rate
    exact = sum(text in texts for text, texts in zip(written, wanted, strict=True)) / len(wanted)
    nearest = [_nearest(text, texts, rate) for text, texts in zip(written, wanted, strict=True)]
    cut = "zh" if han_share([text for texts in wanted for text in texts]) > 0.5 else "13a"
    streams = list(zip_longest(*wanted))  # the first of each text, the second, ...; None where there are no more
    return {
        "bleu": corpus_bleu(written, streams, tokenize=cut, force=True).score,
        "chrf": corpus_chrf(written, streams).score,
        "exact_match": exact,
        "token_error_rate": float(rate(written, nearest)),
        "sequence_error_rate": 1 - exact,
    }


def error_rates(written: Sequence[str], wanted: Sequence[str]) -> dict[str, float]:
    """Word and character error rate: the fewest words put in, left out and changed, over those wanted; exact match."""
    from torchmetrics.functional.text import char_error_rate, word_error_rate

    written, wanted = ([_spaced(text) for text in texts] for texts in (written, wanted))
    return {
        "wer": float(word_error_rate(written, wanted)),
        "cer": float(char_error_rate(written, wanted)),
        "exact_match": sum(a == b for a, b in zip(written, wanted, strict=True)) / len(wanted),
    }


def _spaced(text: str) -> str:
    """Single blanks between words, none at the ends."""
    return " ".join(text.split())


def _nearest(text: str, others: Sequence[str], rate: Callable[[list[str], list[str]], Any]) -> str:
    """The one of the others against which the rate of errors is the lowest."""
    return others[0] if len(others) == 1 else min(others, key=lambda other: float(rate([text], [other])))
