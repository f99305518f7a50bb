"""Collation of stored captions into a padded batch."""

from __future__ import annotations

import numpy as np
import torch

from ...data.store.store import Store
from ...models.seq2seq import shift_targets
from ..base import Batch
from .inputs import CaptionInput


def collate(store: Store, rows: np.ndarray, input: CaptionInput) -> Batch:
    """Return the batch of the stored examples `rows`.

    Inputs: `x`, its `lengths (B,)` if they vary, the input `tokens (B, S)` of the decoder, and the numbers of decoder
    `steps (B,)`. Target: `next (B, S)`, the token that each step predicts.
    """
    x, lengths = store.ragged(input.field.name, rows)
    captions, ends = store.ragged("text", rows)
    input_tokens, next_tokens = shift_targets(captions, ends)
    inputs = {"x": x, "tokens": input_tokens, "steps": ends + 1}
    if input.has_lengths:
        inputs["lengths"] = lengths
    return Batch(
        {name: torch.from_numpy(array) for name, array in inputs.items()},
        {"next": torch.from_numpy(next_tokens)},
        int(ends.sum()) + len(rows),
        input_tokens.size,
    )
