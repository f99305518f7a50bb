"""The defaults of `translate`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...settings import DEFAULT_CELL
from ..base import DatasetInfo
from .dataset import PairDataset
from .settings import TranslateSettings

SMALL_VOCABULARY = 256  # with so few tokens a target is spelt: letters or sounds


def defaults(settings: TranslateSettings, dataset: PairDataset, info: DatasetInfo) -> dict[str, dict[str, Any]]:
    """Values for open settings, from the number of pairs, their lengths, and the size of the target vocabulary.

    Few tokens, letters or sounds, are spelt by a small network, which sees every pair many times in the time in which a
    large one, as the meaning of words needs it, sees it once. A network overfits pairs that it has seen ten times.
    """
    source, target, model = dataset.source, dataset.target, settings.model
    longest = max(min(int(np.quantile(np.maximum(info.stats["lengths"], info.stats["targets"]), 0.999)), 400), 8)
    spelt = "subwords" not in (source.level, target.level) and len(target.vocabulary) <= SMALL_VOCABULARY
    few = info.rows <= 80_000
    feed = model.feed or ("output" if spelt else "between")
    return {
        "data": {
            "source_level": source.level,
            "target_level": target.level,
            "shared": target.vocabulary_of is not None,
            "max_length": longest,
        },
        "model": {
            "cell": "gru" if spelt and not model.cell_options else DEFAULT_CELL,
            "hidden_size": (128 if few else 256) if spelt else 384,
            "num_layers": 2 if feed == "between" else 1,
            "feed": feed,
            "embedding_size": 128 if spelt else 256,
            "dropout": 0.2 if spelt else 0.3,
            "input_dropout": 0.0 if spelt else 0.2,
            "token_dropout": 0.0,
            "tied": True,
        },
        "training": {
            "batch_size": 64,
            "learning_rate": (4e-3 if few else 2e-3) if spelt else 1e-3,
            "epochs": float(min(max(2_000_000 / max(info.rows, 1), 20.0), 100.0)),
            "averaging": 0.998,
            "patience": 8,
            # a date has one right spelling, while a sentence often has several translations
            "label_smoothing": 0.0 if spelt and target.level == "characters" else 0.1,
            "metric": "bleu" if target.level == "subwords" else "token_error_rate",
        },
    }
