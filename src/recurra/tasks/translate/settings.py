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
        description="Column of the source texts; several columns are separated by commas and read as one sequence.",
    )
    target: str | None = setting(
        None, description="Column of the target texts; with a plain text file as data, the file of the target lines."
    )
    valid_target: str | None = setting(
        None, description="File of the target lines for --valid, if that is a plain text file."
    )
    tokenization: Tokenization | None = setting(
        None, description="Tokens of both sides: characters, words or subwords."
    )
    source_tokenization: Tokenization = open_setting(
        description="Tokens of the source: characters, words or subwords.", advanced=True
    )
    target_tokenization: Tokenization = open_setting(
        description="Tokens of the target: characters, words or subwords.", advanced=True
    )
    vocabulary_size: int | None = setting(
        None, ge=10, description="Largest number of tokens in a vocabulary; the most frequent ones are kept."
    )
    min_count: int | None = setting(
        None,
        ge=1,
        description="Smallest number of occurrences of a token; rarer ones are replaced by the unknown token.",
        advanced=True,
    )
    shared_vocabulary: bool = open_setting(description="Use one vocabulary for source and target.")
    max_length: int = open_setting(
        ge=1,
        description="Largest number of tokens of a source or target in training; longer pairs are left out.",
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
    bidirectional: bool = setting(True, description="Use a bidirectional encoder.")
    embedding_size: int = open_setting(ge=1, description="Number of features of a token embedding.")
    attention: Literal["additive", "dot", "concat", "none"] = setting(
        "dot", description="Scoring rule of the attention; none for a decoder without attention."
    )
    context_injection: Literal["between", "input", "output"] = open_setting(
        description="Where the attention context enters the decoder: between its layers, at its input or at its output."
    )
    self_attention: bool = setting(False, description="Add self-attention after the encoder.", advanced=True)
    tie_weights: bool = open_setting(description="Share the weights of the output layer and the target embedding.")
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
    beam_size: int = setting(4, ge=1, le=64, description="Beam size of the beam search; 1 for greedy search.")
    length_penalty: float = setting(
        1.0,
        ge=0,
        description="Exponent a of the length normalization of the beam search: score = log p / length ** a.",
        advanced=True,
    )
    replace_unk: bool = setting(
        False, description="Replace an unknown word of an answer by the source word with the largest attention weight."
    )
    return_attention: bool = setting(False, description="Include the attention weights in the output of predict.")


class TranslateTraining(TeacherForcingTraining):
    """Settings of the training."""

    label_smoothing: float = open_setting(
        ge=0, lt=1, description="Probability mass of the target that is spread over all tokens."
    )


TranslateSettings = Settings[PairData, TranslateModel, TranslateTraining]
