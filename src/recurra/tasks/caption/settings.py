"""The settings of caption."""

from __future__ import annotations

from typing import Literal

from ...data.words.vocabulary import Tokenization
from ...fields.image import GRAYSCALE_HELP, ImageSettings
from ...models.scheduled_sampling import ForcedTraining
from ...settings import ModelSettings, Settings, open_setting, setting

CONTEXT_AT_HELP = "Whether the image is an input of every decoder step or of the initial state only"
CONTEXT_INJECTION_HELP = "Where the context enters the decoder"


class CaptionData(ImageSettings):
    """A table of images or feature vectors, and their captions."""

    grayscale: bool | None = setting(None, description=GRAYSCALE_HELP)
    image_features: str | None = setting(None, description="Column of feature vectors, which replace images.")
    text: str | None = setting(None, description="Column of captions. It is found automatically.")
    tokenization: Tokenization = open_setting(description="Token unit of the captions")
    vocabulary_size: int = setting(
        30_000, ge=10, description="Maximal number of tokens in the vocabulary.", advanced=True
    )
    min_count: int | None = setting(
        None, ge=1, description="Minimal number of occurrences of a token in the vocabulary.", advanced=True
    )


class CaptionModel(ModelSettings):
    """Encoder, attention, decoder."""

    encoder_size: int = open_setting(ge=8, description="Number of channels of the feature map.")
    random_shift: int = setting(0, ge=0, description="Largest random image translation in training, in pixels.")
    embedding_size: int = open_setting(ge=1, description="Size of the token embeddings.")
    attention: Literal["additive", "dot", "none"] = open_setting(description="Attention score function")
    context_at: Literal["every_step", "initial_state"] = setting("every_step", description=CONTEXT_AT_HELP)
    context_injection: Literal["between", "input", "output"] = setting(
        "input", description=CONTEXT_INJECTION_HELP, advanced=True
    )
    tie_weights: bool = setting(False, description="Share weights of embedding and output layer.", advanced=True)
    beam_size: int = setting(3, ge=1, le=64, description="Beam size of the search.")
    length_penalty: float = setting(
        1.0,
        ge=0,
        description="Exponent a of the length normalization: the score is log p / length ** a.",
        advanced=True,
    )
    return_attention: bool = setting(False, description="Add the attention weights to predictions.")


CaptionSettings = Settings[CaptionData, CaptionModel, ForcedTraining]
