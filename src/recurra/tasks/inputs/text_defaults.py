"""Defaults for encoders of text."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...settings import DEFAULT_CELL
from ..base import DatasetInfo
from .base import Defaults
from .pretrained import PretrainedModel

FEW_STEPS = 3_000_000  # time steps of a training run below which a dataset counts as small


def text_defaults(
    model_settings: PretrainedModel, info: DatasetInfo, *, tokenization: str, character_ngrams: bool
) -> Defaults:
    """Return the defaults of an encoder of text, by group.

    Models of words overfit after few epochs, so they use strong dropout and few epochs; models of characters train longer.

    Args:
        model_settings: the settings of the model; pretrained weights change the defaults.
        info: the number of examples and their lengths.
        tokenization: words, characters or subwords.
        character_ngrams: whether words have embeddings of character n-grams.
    """
    lengths: np.ndarray = info.stats["lengths"]
    words = tokenization != "characters"
    longest = int(np.quantile(lengths, 0.99)) if len(lengths) else 1
    model: dict[str, Any] = {
        "hidden_size": 128 if words else 256,
        "num_layers": 1,
        "dropout": 0.5,
        "embedding_size": 128 if words else 64,
        "input_dropout": 0.3 if words else 0.1,
        "token_dropout": 0.1 if words else 0.02,
    }
    batch = 32 if info.rows >= 2_000 else 16
    # One fold of 1,632 questions: accuracy 0.852 after 5 epochs over 3,265, 0.860 after 10, 0.862 after 20.
    epochs = min(max(5.0, 1300 * batch / max(info.rows, 1)), 40.0) if words else 14.0
    # An ensemble improves accuracy by one or two points; with little data it costs only seconds.
    is_small = epochs * info.time_steps <= FEW_STEPS
    model["ensemble_size"] = 4 if is_small else 1
    # Pretrained weights overfit few labels. 2,250 labeled reviews: accuracy 0.824 without adversarial training, 0.859 with
    # it, 0.863 at a quarter of the learning rate; attention 0.870 and 0.867, mean and max 0.866 and 0.857.
    is_pretrained = model_settings.pretrained is not None
    model["adversarial_epsilon"] = 1.0 if words and (is_small or is_pretrained) else 0.0
    # Three folds of questions, ensembles of four: accuracy 0.878 with attention, 0.878 with max, 0.873 with mean and max.
    model["pooling"] = "attention" if words and (is_small or is_pretrained) else "mean_max"
    # Three folds of questions in six classes, ensembles of two: accuracy 0.884 with gru, 0.877 with lstm.
    model["cell"] = "gru" if is_small and words and not model_settings.cell_options else DEFAULT_CELL
    training = {
        "batch_size": batch,
        "learning_rate": 5e-4 if is_pretrained else 2e-3,
        "epochs": epochs,
        "ema_decay": 0.99,
        "patience": 8,
    }
    data = {
        "truncation_length": max(min(longest, 400), 8),
        "tokenization": tokenization,
        "character_ngrams": character_ngrams,
    }
    return {"data": data, "model": model, "training": training}
