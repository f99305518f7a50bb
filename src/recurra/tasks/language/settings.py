"""The settings of a language model."""

from __future__ import annotations

from typing import Literal

from ...settings import ClassTraining, DataSettings, ModelSettings, Settings, open_setting, setting


class LanguageData(DataSettings):
    """A text."""

    text: str | None = setting(None, description="column of the text, where DATA is a table")
    tokenization: Literal["characters", "words", "subwords"] = setting("characters", description="what a token is")
    vocabulary_size: int | None = setting(None, ge=10, description="at most so many tokens, the most frequent ones")
    min_count: int = setting(1, ge=1, description="rarer tokens are unknown")
    bptt_length: int = open_setting(ge=1, description="steps of time a gradient goes back through")
    batching: Literal["sequential", "random", "aligned"] = open_setting(
        description="follow on with the state; begin anywhere; begin where a paragraph or line does"
    )


class LanguageModel(ModelSettings):
    """A recurrent language model."""

    embedding_size: int = open_setting(ge=1, description="features of a token's vector")
    tie_weights: bool = open_setting(description="the output layer uses the embedding's weights")
    input_dropout: float = open_setting(ge=0, lt=1, description="dropout of the vectors, one mask for all steps")
    weight_drop: float = open_setting(ge=0, lt=1, description="dropout of the recurrent weights")
    neural_cache_size: int = open_setting(
        ge=0, description="tokens back that are remembered in use, to expect again what was met; 0 for none"
    )
    per_token: bool = setting(False, description="predict tells of each token how unlikely it was", advanced=True)


class LanguageTraining(ClassTraining):
    """The training run."""

    sampled_softmax: int = open_setting(
        ge=0,
        description="a step tells tokens from so many frequent ones and as many drawn ones; 0: from all",
        advanced=True,
    )


LanguageSettings = Settings[LanguageData, LanguageModel, LanguageTraining]
