"""Default settings of `translate`, chosen from the data."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...settings import DEFAULT_CELL
from ..base import DatasetInfo
from .dataset import PairDataset
from .settings import TranslateSettings

SMALL_VOCABULARY = 256  # a smaller target vocabulary consists of letters or phonemes: a spelling task


def defaults(settings: TranslateSettings, dataset: PairDataset, info: DatasetInfo) -> dict[str, dict[str, Any]]:
    """Values for open settings, from the number of pairs, their lengths, and the size of the target vocabulary.

    Spelling tasks use a small network: it trains for many epochs in the time that a network large enough for the meaning of
    words needs for one. A large network overfits after about ten epochs.
    """
    source, target, model = dataset.source, dataset.target, settings.model
    longest = max(min(int(np.quantile(np.maximum(info.stats["lengths"], info.stats["targets"]), 0.999)), 400), 8)
    is_spelling = (
        "subwords" not in (source.tokenization, target.tokenization) and len(target.vocabulary) <= SMALL_VOCABULARY
    )
    few = info.rows <= 80_000
    context_injection = model.context_injection or ("output" if is_spelling else "between")
    hidden_size = model.hidden_size or ((128 if few else 256) if is_spelling else 384)
    return {
        "data": {
            "source_tokenization": source.tokenization,
            "target_tokenization": target.tokenization,
            "shared_vocabulary": target.vocabulary_of is not None,
            "max_length": longest,
        },
        "model": {
            "cell": "gru" if is_spelling and not model.cell_options else DEFAULT_CELL,
            "hidden_size": hidden_size,
            "encoder_hidden_size": max(hidden_size // 2, 1) if model.bidirectional else hidden_size,
            "num_layers": 2 if context_injection == "between" else 1,
            "context_injection": context_injection,
            "embedding_size": 128 if is_spelling else 256,
            "dropout": 0.2 if is_spelling else 0.3,
            "input_dropout": 0.0 if is_spelling else 0.2,
            "token_dropout": 0.0,
            "tie_weights": True,
        },
        "training": {
            "batch_size": 64,
            "learning_rate": (4e-3 if few else 2e-3) if is_spelling else 1e-3,
            "epochs": float(min(max(2_000_000 / max(info.rows, 1), 20.0), 100.0)),
            "ema_decay": 0.998,
            "patience": 8,
            # a date has one correct spelling, while a sentence often has several translations
            "label_smoothing": 0.0 if is_spelling and target.tokenization == "characters" else 0.1,
            # BLEU is computed from sequences of four words
            "selection_metric": "bleu"
            if target.tokenization == "subwords" and not dataset.has_short_targets
            else "token_error_rate",
        },
    }
