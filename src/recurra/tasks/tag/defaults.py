"""The defaults of a tagger, which depend on the number of sequences and tokens."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...data.words.tag_schemes import Scheme
from ...errors import SettingError
from ...settings import DEFAULT_CELL
from ..base import DatasetInfo
from .settings import TagSettings

FEW_STEPS = 5_000_000  # tokens that one network processes in a run


def tag_defaults(info: DatasetInfo, scheme: Scheme) -> dict[str, dict[str, Any]]:
    """Values for the open settings of the network and of the training.

    Tagged datasets are small, and a network overfits soon: the dropout probability is 0.5 everywhere, a fifth of the words is
    replaced by the unknown word, and small datasets are trained with an ensemble of four. `benchmarks/quality.py` contains the
    datasets on which these values were chosen.
    """
    batch = 32 if info.rows >= 2_000 else 16
    epochs = min(max(20.0, 4_000 * batch / max(info.rows, 1)), 60.0)
    steps = epochs * info.time_steps
    model: dict[str, Any] = {
        "cell": DEFAULT_CELL,
        "hidden_size": 200,
        "num_layers": 1,
        "dropout": 0.5,
        "embedding_size": 100,
        "input_dropout": 0.5,
        "token_dropout": 0.2,
        "adversarial_epsilon": 0.0,
        "ensemble_size": 4 if steps <= FEW_STEPS else 2 if steps <= 4 * FEW_STEPS else 1,
        "crf": scheme != "plain",
    }
    training = {"batch_size": batch, "learning_rate": 2e-3, "epochs": epochs, "ema_decay": 0.99, "patience": 8}
    return {"model": model, "training": training}


def check_delay(settings: TagSettings, lengths: np.ndarray) -> None:
    """Raise SettingError for a delay that has no use or is longer than a training sequence. `lengths`: of these sequences."""
    delay = settings.data.delay
    if delay and settings.model.bidirectional:
        raise SettingError(f"delay = {delay} lets a network in one direction see what follows, and this one reads in both; set "
                           "bidirectional=false, or remove delay")  # fmt: skip
    if len(lengths) and delay > (shortest := int(lengths.min())):
        raise SettingError(
            f"delay = {delay} is longer than a training sequence of {shortest} tokens; expected at most {shortest}"
        )
