"""Recordings of a store as one padded batch."""

from __future__ import annotations

import numpy as np
import torch

from ...data.store.store import Store
from ..base import Batch


def collate(store: Store, rows: np.ndarray) -> Batch:
    """Inputs x (B, T, I) and lengths (B,); targets text (B, U) and ends (B,), the valid units of each."""
    x, lengths = store.ragged("audio", rows)
    text, ends = store.ragged("text", rows)
    return Batch(
        {"x": torch.from_numpy(x), "lengths": torch.from_numpy(lengths)},
        {"text": torch.from_numpy(text).long(), "ends": torch.from_numpy(ends)},
        int(lengths.sum()),
        int(x.shape[0] * x.shape[1]),
    )
