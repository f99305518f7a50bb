"""The settings of `couplet`."""

from __future__ import annotations

from typing import Literal

from ...settings import ClassTraining, DataSettings, ModelSettings, Settings, open_setting, setting


class CoupletData(DataSettings):
    """Settings of the pairs of texts of equal length."""

    source: str | None = setting(None, description="Column of the questions.")
    target: str | None = setting(None, description="Column, or file, of the second lines.")
    valid_target: str | None = setting(None, description="File with the second lines of --valid.")
    min_count: int | None = setting(
        None,
        ge=1,
        description="Minimum number of occurrences of a character; rarer characters are replaced by the unknown token.",
        advanced=True,
    )
    max_length: int = open_setting(
        ge=1,
        description="Maximum number of characters of a question in training; longer pairs are left out.",
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
    embedding_size: int = open_setting(ge=1, description="Size of a character embedding.")
    attention: Literal["additive", "dot", "none"] = setting("none", description="Attention scoring function.")
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
    constraints: Literal["none", "punctuation", "couplet"] = open_setting(description="Constraints on the answers.")
    tones: Literal["none", "even", "all"] = setting(
        "none", description="Positions at which an answer has the opposite tone (level or oblique).", advanced=True
    )
    beam_size: int = setting(8, ge=1, le=64, description="Beam size; 1 is greedy search.")
    num_return_sequences: int = setting(0, ge=0, le=64, description="Number of alternatives that predict returns.")


class CoupletTraining(ClassTraining):
    """Settings of the training."""

    reverse_pairs: bool = open_setting(description="Train on swapped pairs in addition.")


CoupletSettings = Settings[CoupletData, CoupletModel, CoupletTraining]
