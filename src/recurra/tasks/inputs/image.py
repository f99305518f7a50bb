"""Images as input of the N-to-1 tasks, read row by row. `fields/image.py` describes the forms of an image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, final

from torch import Tensor, nn

from ...data.sources.sources import Source
from ...fields.image import Image, ImageSettings, image_column
from ...models.encoder import EncoderModel
from ...models.image_augmentation import ImageNormalization
from ...settings import DataSettings, ModelSettings, open_setting
from ..base import DatasetInfo
from .base import Defaults, Input
from .row_data import RowData


class ImageData(ImageSettings, RowData):
    """A table with an image in each row."""


class ImageModel(EncoderModel):
    """The encoder of images."""

    random_shift: int = open_setting(
        ge=0,
        description="Maximum random translation of images in training, in pixels.",
        advanced=True,
        only_for="image",
    )


@final
class ImageInput(Input):
    """Images as sequences of rows of pixels."""

    input_type: ClassVar[str] = "image"
    Data: ClassVar[type[DataSettings]] = ImageData
    Model: ClassVar[type[ModelSettings]] = ImageModel

    def __init__(self, data: Any) -> None:
        self.field: Image = Image("image", data.image, data.image_size, data.grayscale, data.root)

    @classmethod
    def matches(cls, source: Source, taken: Sequence[str]) -> str | None:
        """Return the reason why the source has such a column, or None."""
        column = image_column(source, taken)
        return None if column is None else f"column {column!r} contains images"

    def adapt_source(self, source: Source, others: Callable[[Source], Sequence[str]]) -> Source:
        """Return the source itself: the values are already in one column."""
        return source

    def from_example(self, example: Mapping[str, Any]) -> Any:
        """Return None: examples have no other form."""
        return None

    def identify(self, example: Any) -> dict[str, Any]:
        """Return None: results contain no identifier of the example."""
        return {}

    def augment(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return the batch itself: the embedding translates the images."""
        return x, lengths  # the first module of the network translates the images

    def embedding(self, model: Any) -> tuple[nn.Module, int]:
        """Return the normalization of images, and the number of values of a row of pixels."""
        field = self.field
        return ImageNormalization(field.shape, field.mean, field.std, model.random_shift), field.width

    def defaults(self, settings: Any, info: DatasetInfo) -> Defaults:
        """Defaults from the size and number of the images. Random translation allows more epochs than for texts."""
        model = {
            "hidden_size": 128,
            "num_layers": 2,
            "dropout": 0.2,
            "input_dropout": 0.0,
            "pooling": "mean_max",
            "ensemble_size": 1,
            "adversarial_epsilon": 0.0,
            "random_shift": min(min(self.field.shape[:2]) // 20, 4),
        }
        batch = 64 if info.rows >= 5_000 else 32
        epochs = min(max(1_000_000 / max(info.rows, 1), 10.0), 60.0)
        training = {"batch_size": batch, "learning_rate": 2e-3, "epochs": epochs, "ema_decay": 0.998, "patience": 10}
        return {"model": model, "training": training}
