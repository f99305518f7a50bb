"""regress: a number for each sequence (N to 1). A rating from a review, remaining life from sensor windows, ...

input -> vectors -> recurrent layers -> pooling -> linear; squared error of the standardised number. Kinds of input:
parts/inputs/kinds.py
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

from pydantic import Field as Setting
from torch import Tensor

from ...fields.number import Number
from ...settings import DataSettings, Settings
from ..base import Batch
from ..inputs.registry import InputData, InputTask


class RegressData(InputData):
    """An input and a column of numbers."""

    number: str | None = Setting(None, description="column of the number; found by itself")


class Regress(InputTask):
    """See the module's docstring. Figures are in the units of the data: mse, rmse, mae, and r2."""

    name: ClassVar[str] = "regress"
    structure: ClassVar[str] = "N to 1, a number"
    summary: ClassVar[str] = "a number for each text or window of numbers: a rating, a price, a length of stay"
    metric: ClassVar[str] = "mse"
    outputs = 1
    Data: ClassVar[type[DataSettings]] = RegressData

    def __init__(self, settings: Settings, **given: Any) -> None:
        super().__init__(settings, **given)
        self.number = Number("number", getattr(settings.data, "number", None))
        self.fields.append(self.number)

    def row_losses(self, output: Tensor, batch: Batch, label_smoothing: float = 0.0) -> Tensor:
        return (output.squeeze(1) - batch.targets["number"]) ** 2

    def figures(self, outputs: Tensor, targets: dict[str, Tensor]) -> dict[str, Any]:
        wanted = targets["number"].double()
        error = (outputs.squeeze(1).double() - wanted) * self.number.std
        mse = float((error**2).mean())
        spread = float(((wanted - wanted.mean()) * self.number.std).square().mean())
        figures = {"mse": mse, "rmse": math.sqrt(mse), "mae": float(error.abs().mean())}
        return figures | ({"r2": 1 - mse / spread} if spread > 0 else {})

    def decode(self, outputs: Tensor) -> list[dict[str, Any]]:
        return [
            {"number": value * self.number.std + self.number.mean} for value in outputs.squeeze(1).double().tolist()
        ]
