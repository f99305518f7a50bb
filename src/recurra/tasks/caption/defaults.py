"""Defaults of caption."""

from __future__ import annotations

from typing import Any

from .inputs import CaptionInput
from .settings import CaptionModel


def caption_defaults(
    model: CaptionModel, input: CaptionInput, *, several: bool, captions: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Values for the open settings of the groups `model` and `training`, from the input and the number of captions.

    `model`: as the user gave it. `several`: whether an encoded input has several steps.
    """
    attends = input.is_map(several) and model.context_at == "every_step"
    sizes = {
        "hidden_size": 192,
        "num_layers": 1,
        "embedding_size": 96,
        "encoder_size": input.encoder_size,
        "attention": "additive" if attends else "none",
        "dropout": 0.1,
    }
    training = {
        "batch_size": 32,
        "learning_rate": 1.5e-3,
        "epochs": float(min(max(600_000 / max(captions, 1), 12.0), 100.0)),
        "ema_decay": 0.998,
        "patience": 10,
        "metric": "token_error_rate",
    }
    return sizes, training
