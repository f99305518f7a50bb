"""What captions describe: images, or feature vectors that another network made of them. Each kind has its own class."""

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
    """A kind of input. `field` reads and encodes the values."""

    plural: ClassVar[str]  # what the user calls several different ones
    has_lengths: ClassVar[bool]  # whether the number of vectors of a row varies, so that the encoder takes lengths
    encoder_size: ClassVar[int]  # by default
    field: Field

    @abstractmethod
    def encoder(self, model: CaptionModel) -> ImageEncoder | FeatureEncoder:
        """A new encoder of encoded values."""

    @abstractmethod
    def is_map(self, several: bool) -> bool:
        """Whether the encoder gives several vectors to attend to. `several`: whether an encoded value has several steps."""

    @abstractmethod
    def grid(self, length: int) -> tuple[int, int]:
        """(rows, columns) of the vectors that the encoder makes of an encoded value of `length` steps."""


@final
class ImageInput(CaptionInput):
    """Images, read by convolutions."""

    plural = "images"
    has_lengths = False
    encoder_size = 96

    def __init__(self, data: CaptionData) -> None:
        self.field: Image = Image("image", data.image, data.image_size, data.grayscale)

    def encoder(self, model: CaptionModel) -> ImageEncoder:
        field, width = self.field, model.encoder_size
        return ImageEncoder(field.shape, field.mean, field.std, width=width, shift=model.random_shift, dropout=model.dropout)

    def is_map(self, several: bool) -> bool:
        return True

    def grid(self, length: int) -> tuple[int, int]:
        return map_size(self.field.shape)


@final
class FeaturesInput(CaptionInput):
    """Feature vectors, read by a linear layer."""

    plural = "different features"
    has_lengths = True
    encoder_size = 192

    def __init__(self, data: CaptionData) -> None:
        self.field: ImageFeatures = ImageFeatures("features", data.image_features)

    def encoder(self, model: CaptionModel) -> FeatureEncoder:
        return FeatureEncoder(self.field.width, width=model.encoder_size, dropout=model.dropout)

    def is_map(self, several: bool) -> bool:
        return several

    def grid(self, length: int) -> tuple[int, int]:
        return 1, length


def input_for(data: CaptionData) -> CaptionInput:
    """The input that the settings name: features where they name their column, else images. SettingError where both."""
    if data.image_features is None:
        return ImageInput(data)
    if any(value is not None for value in (data.image, data.image_size, data.grayscale)):
        raise SettingError("features are in place of images: leave out image, image_size and grey")
    return FeaturesInput(data)
