"""A tagger's defaults, chosen from the number of rows and tokens."""

from __future__ import annotations

from typing import Any

from ...settings import Settings
from ..base import Reading

FEW_STEPS = 5_000_000  # tokens that one network reads in a whole run


def choose_tag_settings(settings: Settings, reading: Reading, data: dict[str, Any]) -> Settings:
    """`data`: the settings of that group that reading has settled, `scheme` among them.

    Tagged data is small and soon learnt by heart: half of everything is dropped, a fifth of the words is unknown, and
    the mean of four networks counts where they cost little. `benchmarks/quality.py` has the data this was tried on.
    """
    batch = 32 if reading.rows >= 2_000 else 16
    epochs = min(max(20.0, 4_000 * batch / max(reading.rows, 1)), 60.0)
    steps = epochs * reading.steps_of_time
    model: dict[str, Any] = {
        "hidden_size": 200,
        "num_layers": 1,
        "dropout": 0.5,
        "embedding_size": 100,
        "input_dropout": 0.5,
        "token_dropout": 0.2,
        "adversarial": 0.0,
        "members": 4 if steps <= FEW_STEPS else 2 if steps <= 4 * FEW_STEPS else 1,
        "crf": data["scheme"] != "plain",
    }
    training = {"batch_size": batch, "learning_rate": 2e-3, "epochs": epochs, "averaging": 0.99, "patience": 8}
    return settings.with_open(data=data, model=model, training=training)
