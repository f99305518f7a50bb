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
    spelt = "subwords" not in (source.tokenization, target.tokenization) and len(target.vocabulary) <= SMALL_VOCABULARY
    few = info.rows <= 80_000
    context_injection = model.context_injection or ("output" if spelt else "between")
    return {
        "data": {
            "source_tokenization": source.tokenization,
            "target_tokenization": target.tokenization,
            "shared": target.vocabulary_of is not None,
            "max_length": longest,
        },
        "model": {
            "cell": "gru" if spelt and not model.cell_options else DEFAULT_CELL,
            "hidden_size": (128 if few else 256) if spelt else 384,
            "num_layers": 2 if context_injection == "between" else 1,
            "context_injection": context_injection,
            "embedding_size": 128 if spelt else 256,
            "dropout": 0.2 if spelt else 0.3,
            "input_dropout": 0.0 if spelt else 0.2,
            "token_dropout": 0.0,
            "tie_weights": True,
        },
        "training": {
            "batch_size": 64,
            "learning_rate": (4e-3 if few else 2e-3) if spelt else 1e-3,
            "epochs": float(min(max(2_000_000 / max(info.rows, 1), 20.0), 100.0)),
            "ema_decay": 0.998,
            "patience": 8,
            # a date has one right character_ngrams, while a sentence often has several translations
            "label_smoothing": 0.0 if spelt and target.tokenization == "characters" else 0.1,
            "metric": "bleu" if target.tokenization == "subwords" else "token_error_rate",
        },
    }
