"""The defaults of a language model, from the size of the text and of the vocabulary."""

from __future__ import annotations

from ...errors import SettingError
from ...settings import Settings
from ..base import Reading

CACHED = 4000  # tokens; a state then holds so many outputs, 8 MB with a layer of 512
LARGE = 8000  # tokens; from here on training looks at a part of the vocabulary
SAMPLED = 500  # so many frequent tokens, and as many drawn ones


def choose(settings: Settings, reading: Reading, vocabulary: int, stands_alone: bool) -> Settings:
    """Defaults from the size of the text and of the vocabulary.

    More text bears a wider layer, and little text is soon learnt by heart; some 250 steps a pass, or few steps make few
    lessons. With a large vocabulary the output layer is most of the work: there it shares the embedding's weights, and
    both are narrow.
    """
    tokens, many = reading.rows, vocabulary >= 1000
    little = tokens < 100_000
    wide = 128 if little else 256 if tokens < 300_000 else 384 if many else 512
    # Words of film reviews: perplexity 96 after 4 passes in batches of 64, 89 in batches of 32. Told from 2 x 700 tokens it
    # is 91, and a step of a layer of 384 takes half the time of one with 2 x 2,000.
    windows = settings.data.windows or ("aligned" if stands_alone else "sequential")  # type: ignore[attr-defined]
    window, batch = (128, 32) if windows == "aligned" else (64, 32 if many else 64)
    while batch > 8 and batch * window * 250 > tokens:
        batch //= 2
    while window > 8 and batch * window * 8 > tokens:
        window //= 2
    model = {
        "hidden_size": wide,
        "num_layers": 1,
        "embedding_size": 128 if many else 64,
        "dropout": 0.5 if little else 0.2 if many else 0.3,
        "input_dropout": 0.1 if many else 0.0,
        "weight_drop": 0.0,
        "tied": many,
        "cache": CACHED if windows == "sequential" else 0,  # texts that stand alone have nothing before them
    }
    smoothing = settings.training.label_smoothing  # type: ignore[attr-defined]
    sampled = SAMPLED if vocabulary >= LARGE and not smoothing else 0
    training = {"batch_size": batch, "learning_rate": 3e-3, "epochs": 16.0, "averaging": 0.99, "patience": 5}
    settings = settings.with_open(
        data={"window": window, "windows": windows}, model=model, training={**training, "sampled": sampled}
    )
    if drawn := settings.training.sampled:  # type: ignore[attr-defined]
        if smoothing:
            raise SettingError("label_smoothing is spread over all tokens; with it, set sampled=0")
        reading.lines.append(
            f"while training, tokens are told from the {drawn:,} most frequent ones and {drawn:,} drawn anew each "
            f"step, of {vocabulary:,} (sampled)"
        )
    return settings
