"""Collation of stored recordings into a padded batch."""

from __future__ import annotations

import numpy as np
import torch

from ...data.store.store import Store
from ..base import Batch


def collate(store: Store, rows: np.ndarray) -> Batch:
    """Return the batch of the stored examples `rows`.

    Inputs: frames `x (B, T, I)` and their `lengths (B,)`. Targets: `text (B, U)` and `ends (B,)`, the numbers of units.
    """
    x, lengths = store.ragged("audio", rows)
    text, ends = store.ragged("text", rows)
    return Batch(
        {"x": torch.from_numpy(x), "lengths": torch.from_numpy(lengths)},
        {"text": torch.from_numpy(text).long(), "ends": torch.from_numpy(ends)},
        int(lengths.sum()),
        int(x.shape[0] * x.shape[1]),
    )
