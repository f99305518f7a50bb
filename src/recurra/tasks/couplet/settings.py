"""The settings of `couplet`."""

from __future__ import annotations

from typing import Literal

from ...settings import ClassTraining, DataSettings, ModelSettings, Settings, open_setting, setting


class CoupletData(DataSettings):
    """Pairs of texts of equal length."""

    source: str | None = setting(None, description="column of the questions")
    target: str | None = setting(None, description="column of the answers")
    header: bool | None = setting(None, description="a table's first line names columns")
    min_count: int | None = setting(None, ge=1, description="rarer characters are unknown", advanced=True)
    max_length: int = open_setting(ge=1, description="longer pairs are not trained on", advanced=True)


class CoupletModel(ModelSettings):
    """Seq2SeqEncoder and decoder, aligned."""

    hidden_size: int = open_setting(ge=2, description="of the decoder; the encoder has half of it each way")
    num_layers: int = open_setting(ge=1, le=64, description="recurrent layers of the decoder")
    encoder_layers: int = setting(1, ge=1, le=64, description="those of the encoder", advanced=True)
    embedding_size: int = open_setting(ge=1, description="features of a character's vector")
    attention: Literal["additive", "dot", "none"] = setting("none", description="of each step over the question")
    input_dropout: float = open_setting(ge=0, lt=1, description="dropout of the vectors of characters", advanced=True)
    token_dropout: float = open_setting(
        ge=0, lt=1, description="share of characters made unknown in training", advanced=True
    )
    constraints: Literal["none", "punctuation", "couplet"] = open_setting(description="what an answer must keep")
    beam_size: int = setting(8, ge=1, le=64, description="answers followed side by side")
    num_return_sequences: int = setting(0, ge=0, le=64, description="so many answers are shown")


class CoupletTraining(ClassTraining):
    """The training run."""

    reverse_pairs: bool = open_setting(description="learn the pairs turned round, too")


CoupletSettings = Settings[CoupletData, CoupletModel, CoupletTraining]
