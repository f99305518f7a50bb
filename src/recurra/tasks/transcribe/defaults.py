"""Defaults of transcribe."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..base import DatasetInfo

STACKED = 3  # frames of a step at most, 30 ms


def transcribe_defaults(info: DatasetInfo) -> tuple[dict[str, Any], dict[str, Any]]:
    """Values for the open settings of the groups `model` and `training`, from the amount of audio and the speech rate."""
    frames, needed = info.stats["lengths"], info.stats["needed"]
    frame_stacking = next((n for n in range(STACKED, 1, -1) if (frames / n >= 2 * needed).mean() >= 0.99), 1)
    model = {"hidden_size": 128, "num_layers": 2, "dropout": 0.3, "frame_stacking": frame_stacking, "input_dropout": 0.0}
    training = {
        "batch_size": 16,
        "learning_rate": 2e-3,
        "epochs": float(min(max(200_000 / max(info.rows, 1), 15.0), 100.0)),
        "ema_decay": 0.99,
        "patience": 8,
    }
    return model, training


def stack_messages(info: DatasetInfo, frame_stacking: int) -> list[str]:
    """Lines about the frames of a step, and the rows whose text does not fit into such steps."""
    frames, needed = info.stats["lengths"], info.stats["needed"]
    lost = int((~np.asarray(-(-frames // frame_stacking) >= needed)).sum())
    lines = [f"{lost:,} rows have more text than steps of {10 * frame_stacking} ms: nothing is learnt of them"] if lost else []
    return [*lines, f"a step of the network is {frame_stacking} frames, {10 * frame_stacking} ms"]
