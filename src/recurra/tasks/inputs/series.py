"""An input type for custom tasks that name the column of a series themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, final

from torch import Tensor, nn

from ...data.sources.sources import Source
from ...fields.series import Series
from ...models.encoder import CastInput, EncoderModel
from ...settings import DataSettings, ModelSettings
from ..base import DatasetInfo
from .base import Defaults, Input
from .row_data import RowData


@final
class SeriesInput(Input):
    """A series of numbers, (T, width), standardised. It is passed to `RowDataset` and never selected automatically.

    Args:
        field: the field that reads the series.

    Example:
        >>> from recurra.fields import Series
        >>> from recurra.tasks.shared import SeriesInput
        >>> SeriesInput(Series("window", "measurements")).field.column
        'measurements'
    """

    input_type: ClassVar[str] = "series"
    Data: ClassVar[type[DataSettings]] = RowData
    Model: ClassVar[type[ModelSettings]] = EncoderModel

    def __init__(self, field: Series) -> None:
        self.field: Series = field

    @classmethod
    def matches(cls, source: Source, taken: Sequence[str]) -> str | None:
        """This type is never selected automatically."""
        return None  # never selected automatically

    def adapt_source(self, source: Source, others: Callable[[Source], Sequence[str]]) -> Source:
        """Return the source unchanged."""
        return source

    def from_example(self, example: Mapping[str, Any]) -> Any:
        """There is no special form."""
        return None

    def identify(self, example: Any) -> dict[str, Any]:
        """Examples have no ID."""
        return {}

    def augment(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """No augmentation."""
        return x, lengths

    def embedding(self, model: Any) -> tuple[nn.Module, int]:
        """Return a layer that converts the numbers to the dtype of the network, and the width."""
        return CastInput(), self.field.width or 1

    def defaults(self, settings: Any, info: DatasetInfo) -> Defaults:
        """Return defaults of medium size."""
        model = {
            "hidden_size": 64,
            "num_layers": 1,
            "dropout": 0.1,
            "input_dropout": 0.0,
            "pooling": "mean_max",
            "ensemble_size": 1,
            "adversarial_epsilon": 0.0,
        }
        training = {"batch_size": 32, "learning_rate": 3e-3, "epochs": 20.0, "ema_decay": 0.99, "patience": 8}
        return {"model": model, "training": training}
