"""The defaults of a language model, which depend on the size of the text and of the vocabulary."""

from __future__ import annotations

from typing import Any

from ...errors import SettingError
from ...gradient_settings import WITH_WINDOWS
from ..base import DatasetInfo
from .sampler import CONTINUING
from .settings import LanguageSettings

CACHE_SIZE = 4000  # tokens; a state then contains as many outputs, 8 MB with a layer of 512 units
LARGE_VOCABULARY = 8000  # tokens from which training uses sampled softmax
NUM_SAMPLED = 500  # frequent tokens of the sampled softmax, and as many random ones


def language_defaults(
    given: LanguageSettings, info: DatasetInfo, *, vocabulary_size: int, independent_texts: bool
) -> dict[str, dict[str, Any]]:
    """Return values for the open settings, by group.

    given               settings of the user
    info                size of the training text
    vocabulary_size     number of tokens in the vocabulary
    independent_texts   whether the training text consists of short independent texts, such as poems

    More text permits a wider layer, and a small text is soon overfitted. An epoch should have about 250 steps, because with
    fewer the weights are updated too rarely. With a large vocabulary the output layer is most of the computation; there it
    shares the weights of the embedding, and both are narrow.
    """
    tokens, large = info.rows, vocabulary_size >= 1000
    little_text = tokens < 100_000
    hidden_size = 128 if little_text else 256 if tokens < 300_000 else 384 if large else 512
    # Words of film reviews: perplexity 96 after 4 epochs with batches of 64, 89 with batches of 32. With a sampled softmax of
    # 2 x 700 tokens it is 91, and a step of a layer of 384 units takes half the time of one with 2 x 2,000.
    batching = given.data.batching or ("aligned" if independent_texts else "sequential")
    bptt_length, batch_size = (128, 32) if batching == "aligned" else (64, 32 if large else 64)
    while batch_size > 8 and batch_size * bptt_length * 250 > tokens:
        batch_size //= 2
    while bptt_length > 8 and batch_size * bptt_length * 8 > tokens:
        bptt_length //= 2
    if batching in CONTINUING and given.training.rule in WITH_WINDOWS:
        bptt_length = given.training.windows[0]
    use_sampled = vocabulary_size >= LARGE_VOCABULARY and not given.training.label_smoothing
    return {
        "data": {"bptt_length": bptt_length, "batching": batching},
        "model": {
            "hidden_size": hidden_size,
            "num_layers": 1,
            "embedding_size": 128 if large else 64,
            "dropout": 0.5 if little_text else 0.2 if large else 0.3,
            "input_dropout": 0.1 if large else 0.0,
            "weight_drop": 0.0,
            "tie_weights": large,
            "neural_cache_size": CACHE_SIZE if batching == "sequential" else 0,  # independent texts have little context
        },
        "training": {
            "batch_size": batch_size,
            "learning_rate": 3e-3,
            "epochs": 16.0,
            "ema_decay": 0.99,
            "patience": 5,
            "sampled_softmax": NUM_SAMPLED if use_sampled else 0,
        },
    }


def check_windows(settings: LanguageSettings) -> None:
    """Raise SettingError where windows that continue each other do not have k1 time steps."""
    data, training = settings.data, settings.training
    if data.batching in CONTINUING and training.rule in WITH_WINDOWS and data.bptt_length != training.windows[0]:
        raise SettingError(
            f"bptt_length = {data.bptt_length} and k1 = {training.windows[0]}: with batching={data.batching} both are the "
            "length of a window; remove bptt_length"
        )
