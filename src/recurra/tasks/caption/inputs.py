"""The types of input of caption: images, or feature vectors that another network computed from images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, final

from ...errors import SettingError
from ...fields.base import Field
from ...fields.image import Image
from ...fields.image_features import ImageFeatures
from ...models.image_encoder import FeatureEncoder, ImageEncoder, map_size
from .settings import CaptionData, CaptionModel


class CaptionInput(ABC):
    """A type of input. `field` reads and encodes the values."""

    plural: ClassVar[str]  # plural noun for messages
    has_lengths: ClassVar[bool]  # whether the number of vectors varies, so that the encoder takes lengths
    encoder_size: ClassVar[int]  # the default of the setting
    field: Field

    @abstractmethod
    def encoder(self, model: CaptionModel) -> ImageEncoder | FeatureEncoder:
        """Return a new encoder of encoded values."""

    @abstractmethod
    def has_several_vectors(self, has_several_steps: bool) -> bool:
        """Whether the encoder returns several vectors to attend to, if encoded values have several steps or not."""

    @abstractmethod
    def grid(self, length: int) -> tuple[int, int]:
        """Return (rows, columns) of the vectors that the encoder returns for an encoded value of `length` steps."""


@final
class CaptionImageInput(CaptionInput):
    """Images, encoded by convolutions."""

    plural = "images"
    has_lengths = False
    encoder_size = 96

    def __init__(self, data: CaptionData) -> None:
        self.field: Image = Image("image", data.image, data.image_size, data.grayscale, data.root)

    def encoder(self, model: CaptionModel) -> ImageEncoder:
        """Return a new convolutional encoder."""
        field, width = self.field, model.encoder_size
        shift, dropout = model.random_shift, model.dropout
        return ImageEncoder(field.shape, field.mean, field.std, width=width, random_shift=shift, dropout=dropout)

    def has_several_vectors(self, has_several_steps: bool) -> bool:
        """Return True: a feature map has several positions."""
        return True

    def grid(self, length: int) -> tuple[int, int]:
        """Return (rows, columns) of the feature map."""
        return map_size(self.field.shape)


@final
class CaptionFeaturesInput(CaptionInput):
    """Feature vectors, encoded by a linear layer."""

    plural = "different features"
    has_lengths = True
    encoder_size = 192

    def __init__(self, data: CaptionData) -> None:
        self.field: ImageFeatures = ImageFeatures("features", data.image_features, data.root)

    def encoder(self, model: CaptionModel) -> FeatureEncoder:
        """Return a new linear encoder."""
        return FeatureEncoder(self.field.width, width=model.encoder_size, dropout=model.dropout)

    def has_several_vectors(self, has_several_steps: bool) -> bool:
        """Whether the values have several feature vectors."""
        return has_several_steps

    def grid(self, length: int) -> tuple[int, int]:
        """Return (1, length): the vectors form one row."""
        return 1, length


def input_for(data: CaptionData) -> CaptionInput:
    """Return the input of the settings: features if their column is named, else images. Raises SettingError for both."""
    if data.image_features is None:
        return CaptionImageInput(data)
    if any(value is not None for value in (data.image, data.image_size, data.grayscale)):
        raise SettingError("image_features replaces images; remove image, image_size and grayscale")
    return CaptionFeaturesInput(data)
