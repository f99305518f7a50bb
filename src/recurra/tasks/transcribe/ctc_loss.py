"""The CTC loss of texts, the minimal numbers of steps for texts, and the search of texts from log-probabilities."""

from __future__ import annotations

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from ...data.words.vocabulary import Vocabulary
from ...decoding.ctc import BLANK, CtcHypothesis, ctc_search
from ..base import Batch


def min_steps_of_texts(units: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return `ctc.min_steps` of each text, (B,).

    Args:
        units: the units of all texts, concatenated, (N,).
        lengths: the numbers of units of the texts, (B,).
    """
    ends = np.cumsum(lengths)
    begins = ends - lengths
    equal = np.zeros(len(units) + 1, np.int64)  # equal[i]: whether unit i equals unit i - 1 of the same text
    equal[1:-1] = units[1:] == units[:-1]
    equal[begins] = 0
    sums = np.concatenate([[0], np.cumsum(equal)])
    steps: np.ndarray = lengths + sums[ends] - sums[begins]
    return steps


def text_losses(log_probs: Tensor, steps: Tensor, batch: Batch) -> Tensor:
    """Return the CTC loss of each text in nats, (B,). It is 0 for a text that needs more steps than its recording has.

    Args:
        log_probs: log-probabilities (B, S, V).
        steps: the numbers of valid steps (B,).
        batch: its targets are `text (B, U)` and the numbers of units `ends (B,)`.
    """
    return F.ctc_loss(
        log_probs.transpose(0, 1),
        batch.targets["text"],
        steps,
        batch.targets["ends"],
        blank=BLANK,
        reduction="none",
        zero_infinity=True,
    )


def search_texts(log_probs: Tensor, steps: Tensor, beam_size: int) -> list[CtcHypothesis]:
    """Return the best text of each sequence of log_probs (B, S, V) with `steps (B,)` valid steps."""
    hypotheses = []
    for sequence, count in zip(mask_unwritable(log_probs), steps.tolist(), strict=True):
        search = ctc_search(beam_size)
        search.push(sequence[:count])
        hypotheses.append(search.best())
    return hypotheses


def mask_unwritable(log_probs: Tensor) -> np.ndarray:
    """Return log-probabilities for the search, in which the unknown unit and the end token have -inf."""
    masked: np.ndarray = log_probs.float().cpu().numpy().copy()
    masked[..., [Vocabulary.unknown, Vocabulary.end]] = -np.inf
    return masked
