"""Default settings of `couplet`, chosen from the data."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...settings import DEFAULT_CELL
from ..base import DatasetInfo
from .settings import CoupletSettings

SMALL_DATASET = 50_000  # characters of the training split


def defaults(settings: CoupletSettings, info: DatasetInfo) -> dict[str, dict[str, Any]]:
    """Values for open settings, from the number of characters. The constraints are those that most pairs satisfy."""
    small = info.time_steps < SMALL_DATASET
    hidden_size = settings.model.hidden_size or (128 if small else 384)
    return {
        "data": {"max_length": max(min(int(np.quantile(info.stats["lengths"], 0.999)), 200), 8)},
        "model": {
            "cell": DEFAULT_CELL,
            "hidden_size": hidden_size,
            "encoder_hidden_size": max(hidden_size // 2, 1),
            "num_layers": 1,
            "embedding_size": 64 if small else 256,
            "dropout": 0.2,
            "input_dropout": 0.1,
            "token_dropout": 0.0,
            "constraints": info.stats["constraints"],
        },
        "training": {
            "batch_size": 64,
            "learning_rate": 2e-3,
            "epochs": 20.0,
            "ema_decay": 0.998,
            "patience": 6,
            "reverse_pairs": True,
        },
    }
