"""Default settings of caption."""

from __future__ import annotations

from typing import Any

from .inputs import CaptionInput
from .settings import CaptionModel


def caption_defaults(
    model: CaptionModel, input: CaptionInput, *, has_several_steps: bool, captions: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return values for the open settings of the groups `model` and `training`.

    Args:
        model: the settings of the user.
        input: the type of input.
        has_several_steps: whether an encoded input has more than one step.
        captions: number of captions of the training part.
    """
    attends = input.has_several_vectors(has_several_steps) and model.context_at == "every_step"
    model_defaults = {
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
        "selection_metric": "token_error_rate",
    }
    return model_defaults, training
