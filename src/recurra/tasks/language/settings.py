"""The settings of a language model."""

from __future__ import annotations

from typing import Literal

from ...settings import ClassTraining, DataSettings, ModelSettings, Settings, open_setting, setting


class LanguageData(DataSettings):
    """The text and how it is split into tokens and windows."""

    text: str | None = setting(None, description="Name of the text column when DATA is a table.")
    tokenization: Literal["characters", "words", "subwords"] = open_setting(
        fallback="characters", description="Text units (characters; words for tokenized text)."
    )
    tokenizer: Literal["recurra", "blanks"] | None = setting(
        None, description="How words are split: by the patterns of recurra, or at blanks (detected).", advanced=True
    )
    vocabulary_size: int | None = setting(
        None, ge=10, description="Maximum number of tokens; the most frequent ones are kept."
    )
    min_count: int = setting(1, ge=1, description="Minimum count of a token.")
    bptt_length: int = open_setting(
        ge=1, description="Number of time steps of truncated backpropagation through time (window length)."
    )
    batching: Literal["sequential", "random", "aligned", "mixture"] = open_setting(
        description="Order of the training windows."
    )


class LanguageModel(ModelSettings):
    """A recurrent language model."""

    embedding_size: int = open_setting(ge=1, description="Number of features of a token embedding.")
    tie_weights: bool = open_setting(description="Share the weights of the output layer with the embedding.")
    input_dropout: float = open_setting(
        ge=0, lt=1, description="Dropout of the embeddings, with one mask for all time steps."
    )
    weight_drop: float = open_setting(ge=0, lt=1, description="Dropout of the recurrent weights (DropConnect).")
    neural_cache_size: int = open_setting(
        ge=0, description="Number of recent tokens in the neural cache, which is used at inference; 0 disables it."
    )
    per_token: bool = setting(
        False, description="Whether predict also returns the surprisal of every token.", advanced=True
    )


class LanguageTraining(ClassTraining):
    """The training run."""

    sampled_softmax: int = open_setting(
        ge=0,
        description="Number of frequent and of random classes of the sampled softmax; 0 uses the full softmax.",
        advanced=True,
    )


LanguageSettings = Settings[LanguageData, LanguageModel, LanguageTraining]
