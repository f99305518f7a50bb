"""The settings of a language model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field as Setting

from ...settings import ADDED, RARE, ClassTraining, DataSettings, ModelSettings


class LanguageData(DataSettings):
    """A text."""

    text: str | None = Setting(None, description="column of the text, where DATA is a table")
    level: Literal["characters", "words", "subwords"] = Setting("characters", description="what a token is")
    vocabulary_size: int | None = Setting(None, ge=10, description="at most so many tokens, the most frequent ones")
    min_count: int = Setting(1, ge=1, description="rarer tokens are unknown")
    window: int | None = Setting(None, ge=1, description="steps of time a gradient goes back through")
    windows: Literal["sequential", "random", "aligned"] | None = Setting(
        None, description="follow on with the state; begin anywhere; begin where a paragraph or line does"
    )


class LanguageModel(ModelSettings):
    """A recurrent language model."""

    embedding_size: int | None = Setting(None, ge=1, description="features of a token's vector")
    tied: bool | None = Setting(None, description="the output layer uses the embedding's weights")
    input_dropout: float | None = Setting(
        None, ge=0, lt=1, description="dropout of the vectors, one mask for all steps"
    )
    weight_drop: float | None = Setting(None, ge=0, lt=1, description="dropout of the recurrent weights")
    cache: int | None = Setting(
        None,
        ge=0,
        description="tokens back that are remembered in use, to expect again what was met; 0 for none",
        json_schema_extra=ADDED,
    )
    each: bool = Setting(
        False, description="predict tells of each token how unlikely it was", json_schema_extra=RARE | ADDED
    )


class LanguageTraining(ClassTraining):
    """The training run."""

    sampled: int | None = Setting(
        None,
        ge=0,
        description="a step tells tokens from so many frequent ones and as many drawn ones; 0: from all",
        json_schema_extra=RARE | ADDED,
    )
