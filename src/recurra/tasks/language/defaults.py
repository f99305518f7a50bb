"""The defaults of a language model, from the size of the text and of the vocabulary."""

from __future__ import annotations

from typing import Any

from ..base import DatasetInfo
from .settings import LanguageSettings

CACHE_SIZE = 4000  # tokens; a state then holds as many outputs, 8 MB with a layer of 512
LARGE_VOCABULARY = 8000  # tokens; from this size on training uses sampled softmax
NUM_SAMPLED = 500  # frequent tokens of the sampled softmax, and as many random ones


def language_defaults(
    given: LanguageSettings, info: DatasetInfo, *, vocabulary_size: int, independent_texts: bool
) -> dict[str, dict[str, Any]]:
    """Values for open settings. `independent_texts`: the training text consists of short ones, such as poems.

    More text allows a wider layer, and a small text is soon overfitted. An epoch should have some 250 steps: with few of
    them the weights are updated too rarely. With a large vocabulary the output layer is most of the computation: there it
    shares the embedding's weights, and both are narrow.
    """
    tokens, many = info.rows, vocabulary_size >= 1000
    little = tokens < 100_000
    wide = 128 if little else 256 if tokens < 300_000 else 384 if many else 512
    # Words of film reviews: perplexity 96 after 4 epochs in batches of 64, 89 in batches of 32. With a sampled softmax of
    # 2 x 700 tokens it is 91, and a step of a layer of 384 takes half the time of one with 2 x 2,000.
    windows = given.data.batching or ("aligned" if independent_texts else "sequential")
    window, batch = (128, 32) if windows == "aligned" else (64, 32 if many else 64)
    while batch > 8 and batch * window * 250 > tokens:
        batch //= 2
    while window > 8 and batch * window * 8 > tokens:
        window //= 2
    sampled = vocabulary_size >= LARGE_VOCABULARY and not given.training.label_smoothing
    return {
        "data": {"window": window, "windows": windows},
        "model": {
            "hidden_size": wide,
            "num_layers": 1,
            "embedding_size": 128 if many else 64,
            "dropout": 0.5 if little else 0.2 if many else 0.3,
            "input_dropout": 0.1 if many else 0.0,
            "weight_drop": 0.0,
            "tie_weights": many,
            "cache": CACHE_SIZE if windows == "sequential" else 0,  # independent texts have no text before them
        },
        "training": {
            "batch_size": batch,
            "learning_rate": 3e-3,
            "epochs": 16.0,
            "ema_decay": 0.99,
            "patience": 5,
            "sampled_softmax": NUM_SAMPLED if sampled else 0,
        },
    }
