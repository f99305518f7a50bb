"""Captions of a store as one padded batch."""

from __future__ import annotations

import numpy as np
import torch

from ...data.store.store import Store
from ...models.seq2seq import shift_targets
from ..base import Batch
from .inputs import CaptionInput


def collate(store: Store, rows: np.ndarray, input: CaptionInput) -> Batch:
    """Inputs x, lengths where they vary, tokens read before each step (B, S), and steps (B,); targets: `next` (B, S)."""
    x, lengths = store.ragged(input.field.name, rows)
    captions, ends = store.ragged("text", rows)
    before, after = shift_targets(captions, ends)
    inputs = {"x": x, "tokens": before, "steps": ends + 1}
    if input.has_lengths:
        inputs["lengths"] = lengths
    return Batch(
        {name: torch.from_numpy(array) for name, array in inputs.items()},
        {"next": torch.from_numpy(after)},
        int(ends.sum()) + len(rows),
        before.size,
    )
