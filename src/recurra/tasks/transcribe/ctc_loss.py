"""Log-probabilities of units over time against texts: how many steps these want, their loss, and the likeliest of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from ...data.words.vocabulary import Vocabulary
from ...decoding import ctc
from ..base import Batch


def steps_needed(flat: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """What `ctc.needed` says of each text, (rows,): units (N,), those of all texts after each other, and how many each has."""
    ends = np.cumsum(lengths)
    begins = ends - lengths
    equal = np.zeros(len(flat) + 1, np.int64)  # equal[i]: whether unit i is the one before it
    equal[1:-1] = flat[1:] == flat[:-1]
    equal[begins] = 0
    sums = np.concatenate([[0], np.cumsum(equal)])
    needed: np.ndarray = lengths + sums[ends] - sums[begins]
    return needed


def nats_of_texts(heard: Tensor, steps: Tensor, batch: Batch) -> Tensor:
    """Of each row (B,); 0 where the text does not fit into its steps, from which nothing can be learnt.

    heard (B, S, V), of which `steps (B,)` count; the texts are `batch.targets`: text (B, U), of which `ends (B,)` count.
    """
    return F.ctc_loss(
        heard.transpose(0, 1),
        batch.targets["text"],
        steps,
        batch.targets["ends"],
        blank=ctc.BLANK,
        reduction="none",
        zero_infinity=True,
    )


def guesses(heard: Tensor, steps: Tensor, beam: int, wanted: Sequence[bool]) -> Iterator[ctc.Guess | None]:
    """The best text of each row (B, S, V) that is wanted, None for the others."""
    for row, count, want in zip(writable(heard), steps.tolist(), wanted, strict=True):
        search = ctc.search(beam)
        if want:
            search.push(row[:count])
        yield search.best() if want else None


def writable(heard: Tensor) -> np.ndarray:
    """Log-probabilities for the search: what is unknown, or ends, is never written."""
    steps: np.ndarray = heard.float().cpu().numpy().copy()
    steps[..., [Vocabulary.unknown, Vocabulary.end]] = -np.inf
    return steps
