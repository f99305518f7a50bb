"""The settings of `translate`."""

from __future__ import annotations

from typing import Literal

from ...data.words.vocabulary import Tokenization
from ...models.scheduled_sampling import TeacherForcingTraining
from ...settings import DataSettings, ModelSettings, Settings, open_setting, setting


class PairData(DataSettings):
    """Settings of the pairs of texts."""

    source: str | None = setting(
        None,
        description="Source columns, separated by commas.",
    )
    target: str | None = setting(None, description="Target column, or file of targets.")
    valid_target: str | None = setting(None, description="Target file of --valid.")
    tokenization: Tokenization | None = setting(None, description="Text units.")
    source_tokenization: Tokenization = open_setting(description="Tokens of the source.", advanced=True)
    target_tokenization: Tokenization = open_setting(description="Tokens of the target.", advanced=True)
    vocabulary_size: int | None = setting(None, ge=10, description="Maximum size of a vocabulary.")
    min_count: int | None = setting(
        None,
        ge=1,
        description="Minimum number of occurrences of a token in a vocabulary.",
        advanced=True,
    )
    shared_vocabulary: bool = open_setting(description="One vocabulary for source and target.")
    max_length: int = open_setting(
        ge=1,
        description="Maximum number of tokens of a source or target in training; longer pairs are left out.",
        advanced=True,
    )


class TranslateModel(ModelSettings):
    """Settings of the encoder, the attention and the decoder."""

    hidden_size: int = open_setting(ge=2, description="Number of features of the hidden state of the decoder.")
    encoder_hidden_size: int = open_setting(
        ge=1, description="Number of features of the hidden state of each direction of the encoder.", advanced=True
    )
    num_layers: int = open_setting(ge=1, le=64, description="Number of recurrent layers of the decoder.")
    encoder_layers: int = setting(
        1, ge=1, le=64, description="Number of recurrent layers of the encoder.", advanced=True
    )
    bidirectional: bool = setting(True, description="Bidirectional encoder.")
    embedding_size: int = open_setting(ge=1, description="Size of a token embedding.")
    attention: Literal["additive", "dot", "concat", "none"] = setting("dot", description="Attention scoring function.")
    attention_positions: int | None = setting(
        None,
        ge=1,
        description="Maximum source length of the attention concat (the longest training source).",
        advanced=True,
    )
    context_injection: Literal["between", "input", "output"] = open_setting(
        description="Place where the context enters the decoder."
    )
    self_attention: bool = setting(False, description="Add self-attention after the encoder.", advanced=True)
    tie_weights: bool = open_setting(description="Tie output and embedding weights.")
    input_dropout: float = open_setting(
        ge=0,
        lt=1,
        description="Dropout probability of the embeddings, with one mask for all time steps.",
        advanced=True,
    )
    token_dropout: float = open_setting(
        ge=0,
        lt=1,
        description="Fraction of the tokens that are replaced by the unknown token in training.",
        advanced=True,
    )
    beam_size: int = setting(4, ge=1, le=64, description="Beam size; 1 is greedy search.")
    length_penalty: float = setting(
        1.0,
        ge=0,
        description="Exponent a of the length in the score log p / length ** a.",
        advanced=True,
    )
    replace_unk: bool = setting(False, description="Replace unknown words.")
    return_attention: bool = setting(False, description="Return attention weights.")


class TranslateTraining(TeacherForcingTraining):
    """Settings of the training."""

    label_smoothing: float = open_setting(ge=0, lt=1, description="Label smoothing.")


TranslateSettings = Settings[PairData, TranslateModel, TranslateTraining]
