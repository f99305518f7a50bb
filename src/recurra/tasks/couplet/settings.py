"""The settings of `couplet`."""

from __future__ import annotations

from typing import Literal

from ...settings import ClassTraining, DataSettings, ModelSettings, Settings, open_setting, setting


class CoupletData(DataSettings):
    """Settings of the pairs of texts of equal length."""

    source: str | None = setting(None, description="Column of the questions.")
    target: str | None = setting(None, description="Column of the answers.")
    header: bool | None = setting(
        None,
        description="Whether the first line of a CSV or TSV file contains column names. By default this is detected.",
    )
    min_count: int | None = setting(
        None,
        ge=1,
        description="Smallest number of occurrences of a character; rarer ones are replaced by the unknown token.",
        advanced=True,
    )
    max_length: int = open_setting(
        ge=1,
        description="Largest number of characters of a question in training; longer pairs are left out.",
        advanced=True,
    )


class CoupletModel(ModelSettings):
    """Settings of the encoder and the decoder."""

    hidden_size: int = open_setting(ge=2, description="Number of features of the hidden state of the decoder.")
    encoder_hidden_size: int = open_setting(
        ge=1, description="Number of features of the hidden state of each direction of the encoder.", advanced=True
    )
    num_layers: int = open_setting(ge=1, le=64, description="Number of recurrent layers of the decoder.")
    encoder_layers: int = setting(
        1, ge=1, le=64, description="Number of recurrent layers of the encoder.", advanced=True
    )
    embedding_size: int = open_setting(ge=1, description="Number of features of a character embedding.")
    attention: Literal["additive", "dot", "none"] = setting(
        "none", description="Scoring rule of the attention to the question; none for a decoder without attention."
    )
    input_dropout: float = open_setting(
        ge=0,
        lt=1,
        description="Dropout probability of the embeddings, with one mask for all time steps.",
        advanced=True,
    )
    token_dropout: float = open_setting(
        ge=0,
        lt=1,
        description="Fraction of the characters that are replaced by the unknown token in training.",
        advanced=True,
    )
    constraints: Literal["none", "punctuation", "couplet"] = open_setting(
        description="Constraints on the answers: none, punctuation (as in the question), or couplet (the strictest)."
    )
    beam_size: int = setting(8, ge=1, le=64, description="Beam size of the beam search; 1 for greedy search.")
    num_return_sequences: int = setting(
        0, ge=0, le=64, description="Number of alternatives in the output of predict; 0 for the best answer only."
    )


class CoupletTraining(ClassTraining):
    """Settings of the training."""

    reverse_pairs: bool = open_setting(
        description="Augment the training data with pairs whose question and answer are swapped."
    )


CoupletSettings = Settings[CoupletData, CoupletModel, CoupletTraining]
