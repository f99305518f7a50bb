"""The settings of caption."""

from __future__ import annotations

from typing import Literal

from ...data.words.vocabulary import Tokenization
from ...fields.image import ImageSettings
from ...models.scheduled_sampling import TeacherForcingTraining
from ...settings import ModelSettings, Settings, open_setting, setting

CONTEXT_AT_HELP = "Decoder states that the image conditions."
CONTEXT_INJECTION_HELP = "Layer at which the context enters the decoder."


class CaptionData(ImageSettings):
    """A table of images or feature vectors, and their captions."""

    grayscale: bool | None = setting(None, description="Convert images to grayscale.")
    image_features: str | None = setting(None, description="Column of feature vectors, instead of images.")
    text: str | None = setting(None, description="Column of the captions; detected by default.")
    tokenization: Tokenization = open_setting(description="Text units.")
    vocabulary_size: int = setting(
        30_000,
        ge=10,
        description="Maximum size of the vocabulary.",
        advanced=True,
    )
    min_count: int | None = setting(
        None,
        ge=1,
        description="Minimum count of a token in the training data; rarer tokens are unknown.",
        advanced=True,
    )


class CaptionModel(ModelSettings):
    """Encoder, attention, decoder."""

    encoder_size: int = open_setting(ge=8, description="Number of channels of the feature map.")
    random_shift: int = setting(0, ge=0, description="Maximum random translation in pixels.")
    embedding_size: int = open_setting(ge=1, description="Size of the token embeddings.")
    attention: Literal["additive", "dot", "none"] = open_setting(description="Attention scoring function.")
    context_at: Literal["every_step", "initial_state"] = setting("every_step", description=CONTEXT_AT_HELP)
    context_injection: Literal["between", "input", "output"] = setting(
        "input", description=CONTEXT_INJECTION_HELP, advanced=True
    )
    tie_weights: bool = setting(False, description="Share the weights of embedding and output layer.", advanced=True)
    beam_size: int = setting(3, ge=1, le=64, description="Beam size of the search.")
    length_penalty: float = setting(
        1.0,
        ge=0,
        description="Exponent a of the length normalization log p / length ** a.",
        advanced=True,
    )
    return_attention: bool = setting(False, description="Return the attention weights with predictions.", advanced=True)


CaptionSettings = Settings[CaptionData, CaptionModel, TeacherForcingTraining]
