"""The CTC loss of texts, the steps that they need, and their search from log-probabilities."""

from __future__ import annotations

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from ...data.words.vocabulary import Vocabulary
from ...decoding.ctc import BLANK, Hypothesis, ctc_search
from ..base import Batch


def min_steps_of_texts(units: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """`ctc.min_steps` of each text, (rows,). `units` (N,): those of all texts, concatenated; `lengths` (rows,) of the texts."""
    ends = np.cumsum(lengths)
    begins = ends - lengths
    equal = np.zeros(len(units) + 1, np.int64)  # equal[i]: whether unit i is the one before it
    equal[1:-1] = units[1:] == units[:-1]
    equal[begins] = 0
    sums = np.concatenate([[0], np.cumsum(equal)])
    steps: np.ndarray = lengths + sums[ends] - sums[begins]
    return steps


def text_losses(log_probs: Tensor, steps: Tensor, batch: Batch) -> Tensor:
    """The loss of each text, nats, (B,); 0 of a text that does not fit into its steps, from which nothing can be learnt.

    log_probs (B, S, V), of which `steps (B,)` are valid; the targets are text (B, U), of which `ends (B,)` are valid.
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


def search_texts(log_probs: Tensor, steps: Tensor, beam_size: int) -> list[Hypothesis]:
    """The best text of each row of log_probs (B, S, V), of which `steps (B,)` are valid."""
    found = []
    for row, count in zip(mask_unwritable(log_probs), steps.tolist(), strict=True):
        search = ctc_search(beam_size)
        search.push(row[:count])
        found.append(search.best())
    return found


def mask_unwritable(log_probs: Tensor) -> np.ndarray:
    """Log-probabilities for the search, -inf of the unknown unit and the end mark: these are never written."""
    masked: np.ndarray = log_probs.float().cpu().numpy().copy()
    masked[..., [Vocabulary.unknown, Vocabulary.end]] = -np.inf
    return masked
