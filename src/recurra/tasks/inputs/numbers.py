"""The input type for windows of measurements: numbers over time. `fields/windows.py` describes the formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, final

from torch import Tensor, nn

from ...data.sources.sources import Source
from ...fields.window_columns import MIN_COLUMNS, list_column, number_columns
from ...fields.windows import Windows
from ...models.encoder import CastInput, EncoderModel
from ...settings import DataSettings, ModelSettings, setting
from ..base import DatasetInfo
from .base import Defaults, Input
from .row_data import RowData


class NumbersData(RowData):
    """Settings of a table of windows of numbers."""

    measurements: str | None = setting(
        None, description="Column of the windows, or with --sequence-id the columns of a time step: A,B.", advanced=True
    )
    step_width: int | None = setting(
        None, ge=1, description="Numbers in a time step, for windows that are spread over columns.", advanced=True
    )
    sequence_id: str | None = setting(
        None, description="Column of the sequence ID, for tables with one row per time step.", advanced=True
    )
    time: str | None = setting(
        None, description="Timestamp column; determines the order of the time steps.", advanced=True
    )


@final
class NumbersInput(Input):
    """Windows of measurements, (T, width), standardised."""

    input_type: ClassVar[str] = "numbers"
    Data: ClassVar[type[DataSettings]] = NumbersData
    Model: ClassVar[type[ModelSettings]] = EncoderModel

    def __init__(self, data: Any) -> None:
        self.field: Windows = Windows(
            "window", data.measurements, data.step_width, data.sequence_id, data.time,
            decimal=data.decimal, missing=data.missing,
        )  # fmt: skip

    @classmethod
    def matches(cls, source: Source, taken: Sequence[str]) -> str | None:
        """Lists of numbers and tables of numeric columns are of this type."""
        if column := list_column(source, taken):
            return f"column {column!r} holds lists of numbers"
        if len(columns := number_columns(source, taken)) >= MIN_COLUMNS:
            return f"{len(columns)} columns hold numbers"
        return None

    def adapt_source(self, source: Source, others: Callable[[Source], Sequence[str]]) -> Source:
        """Return a source with one window per row."""
        return self.field.adapt_source(source, others)

    def from_example(self, example: Mapping[str, Any]) -> Any:
        """Return the window of an object with the columns of a window."""
        return self.field.from_example(example)

    def identify(self, example: Any) -> dict[str, Any]:
        """Return the ID of the sequence, where there is one."""
        return self.field.identify(example)

    def augment(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """No augmentation."""
        return x, lengths

    def embedding(self, model: Any) -> tuple[nn.Module, int]:
        """Return a layer that converts the numbers to the dtype of the network, and the width."""
        return CastInput(), self.field.width

    def defaults(self, settings: Any, info: DatasetInfo) -> Defaults:
        """One size for all datasets: small datasets of windows do not overfit after as many epochs as texts do."""
        is_small = info.time_steps <= 200_000
        model = {
            "hidden_size": 128,
            "num_layers": 1,
            "dropout": 0.3,
            "input_dropout": 0.0,
            "pooling": "mean_max",
            "ensemble_size": 4 if is_small else 1,
            "adversarial_epsilon": 0.0,
        }
        batch = 32 if info.rows < 20_000 else 64
        epochs = min(max(10.0, 2_000 * batch / max(info.rows, 1)), 60.0)
        training = {"batch_size": batch, "learning_rate": 2e-3, "epochs": epochs, "ema_decay": 0.99, "patience": 10}
        return {"model": model, "training": training}
