"""Default settings of transcribe."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base import DatasetInfo

MAX_FRAME_STACKING = 3  # 30 ms per step


def transcribe_defaults(info: DatasetInfo) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return values for the open settings of `model` and `training`, from the amount of audio and the speech rate."""
    frames, min_steps = info.stats["lengths"], info.stats["min_steps"]
    frame_stacking = next(
        (n for n in range(MAX_FRAME_STACKING, 1, -1) if (frames / n >= 2 * min_steps).mean() >= 0.99), 1
    )
    model = {
        "hidden_size": 128,
        "num_layers": 2,
        "dropout": 0.3,
        "frame_stacking": frame_stacking,
        "input_dropout": 0.0,
    }
    training = {
        "batch_size": 16,
        "learning_rate": 2e-3,
        "epochs": float(min(max(200_000 / max(info.rows, 1), 15.0), 100.0)),
        "ema_decay": 0.99,
        "patience": 8,
    }
    return model, training


def frame_stacking_messages(info: DatasetInfo, frame_stacking: int) -> list[str]:
    """Return messages about the frames per step, and about recordings that have fewer steps than their text needs."""
    frames, min_steps = info.stats["lengths"], info.stats["min_steps"]
    num_lost = int((~np.asarray(-(-frames // frame_stacking) >= min_steps)).sum())
    step = 10 * frame_stacking
    lost = f"{num_lost:,} recordings have fewer steps of {step} ms than their text needs; they are ignored"
    return [*([lost] if num_lost else []), f"a time step of the network is {frame_stacking} frames, {step} ms"]
