"""The settings of `translate`."""

from __future__ import annotations

from typing import Literal

from ...data.words.vocabulary import Tokenization
from ...models.scheduled_sampling import TeacherForcingTraining
from ...settings import DataSettings, ModelSettings, Settings, open_setting, setting


class PairData(DataSettings):
    """Pairs of texts."""

    source: str | None = setting(None, description="source column; several joined by commas")
    target: str | None = setting(None, description="target column; of a plain text the other file")
    valid_target: str | None = setting(None, description="other file of --valid")
    tokenization: Tokenization | None = setting(None, description="what a token is")
    source_tokenization: Tokenization = open_setting(description="the same, of the source alone", advanced=True)
    target_tokenization: Tokenization = open_setting(description="the same, of the target alone", advanced=True)
    vocabulary_size: int | None = setting(None, ge=10, description="most frequent tokens kept on a side")
    min_count: int | None = setting(None, ge=1, description="rarer tokens are unknown", advanced=True)
    shared_vocabulary: bool = open_setting(description="one vocabulary for both sides")
    max_length: int = open_setting(
        ge=1, description="pairs with more tokens on a side are not trained on", advanced=True
    )


class TranslateModel(ModelSettings):
    """Seq2SeqEncoder, attention, decoder."""

    hidden_size: int = open_setting(ge=2, description="of the decoder; the encoder has half of it each way")
    num_layers: int = open_setting(ge=1, le=64, description="recurrent layers of the decoder")
    encoder_layers: int = setting(1, ge=1, le=64, description="those of the encoder", advanced=True)
    bidirectional: bool = setting(True, description="the encoder reads both ways")
    embedding_size: int = open_setting(ge=1, description="features of a token's vector")
    attention: Literal["additive", "dot", "concat", "none"] = setting("dot", description="score")
    context_injection: Literal["between", "input", "output"] = open_setting(description="where the context enters")
    self_attention: bool = setting(False, description="each step of the encoder attends to all of them", advanced=True)
    tie_weights: bool = open_setting(description="output layer and embedding are one")
    input_dropout: float = open_setting(
        ge=0, lt=1, description="dropout of the vectors, one mask for all steps", advanced=True
    )
    token_dropout: float = open_setting(
        ge=0, lt=1, description="share of tokens made unknown in training", advanced=True
    )
    beam_size: int = setting(4, ge=1, le=64, description="answers followed side by side")
    length_penalty: float = setting(
        1.0, ge=0, description="a: the score of an answer is log p / length ** a", advanced=True
    )
    replace_unk: bool = setting(False, description="unknown words are copied from the source")
    return_attention: bool = setting(False, description="predict gives the attention weights")


class TranslateTraining(TeacherForcingTraining):
    """The training run."""

    label_smoothing: float = open_setting(ge=0, lt=1, description="share of the target spread over all tokens")


TranslateSettings = Settings[PairData, TranslateModel, TranslateTraining]
