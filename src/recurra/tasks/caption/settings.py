"""The settings of caption."""

from __future__ import annotations

from typing import Literal

from ...data.words.vocabulary import Tokenization
from ...fields.image import ImageSettings
from ...models.scheduled_sampling import TeacherForcingTraining
from ...settings import ModelSettings, Settings, open_setting, setting


class CaptionData(ImageSettings):
    """Images or feature vectors, and texts about each."""

    grayscale: bool | None = setting(None, description="without colours; as the first image is")
    image_features: str | None = setting(None, description="column of feature vectors, in place of images")
    text: str | None = setting(None, description="column of the texts; found by itself")
    tokenization: Tokenization = open_setting(description="what a token is")
    vocabulary_size: int = setting(30_000, ge=10, description="most frequent tokens kept", advanced=True)
    min_count: int | None = setting(None, ge=1, description="rarer tokens are unknown", advanced=True)


class CaptionModel(ModelSettings):
    """Encoder, attention, decoder."""

    encoder_size: int = open_setting(ge=8, description="channels of the map that attention looks at")
    random_shift: int = setting(0, ge=0, description="in training images are moved by up to so many pixels")
    embedding_size: int = open_setting(ge=1, description="features of a token's vector")
    attention: Literal["additive", "dot", "none"] = open_setting(description="score; none for one vector")
    context_at: Literal["every_step", "initial_state"] = setting(
        "every_step", description="the image conditions each step, or the first"
    )
    context_injection: Literal["between", "input", "output"] = setting(
        "input", description="where the context enters", advanced=True
    )
    tie_weights: bool = setting(False, description="output layer and embedding are one", advanced=True)
    beam_size: int = setting(3, ge=1, le=64, description="answers followed side by side")
    length_penalty: float = setting(1.0, ge=0, description="a: log p / length ** a is the score", advanced=True)
    return_attention: bool = setting(False, description="predict gives the attention weights")


CaptionSettings = Settings[CaptionData, CaptionModel, TeacherForcingTraining]
