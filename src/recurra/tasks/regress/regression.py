"""A number for each row: squared error of the standardised number; metrics and JSON in the units of the data."""

from __future__ import annotations

import math
from typing import Any, final

from torch import Tensor

from ...fields.number import Number
from ..base import Batch, Selection
from ..shared.head import Head


@final
class Regression(Head):
    """The number of the field `target`. Metrics: mse, rmse, mae, and r2. Several networks are combined by their mean."""

    def __init__(self, target: Number) -> None:
        self.target = target

    @property
    def outputs(self) -> int:
        return 1

    @property
    def selection(self) -> Selection:
        return Selection("mse")

    def combine(self, outputs: Tensor) -> Tensor:
        return outputs.mean(0)

    def losses(self, output: Tensor, batch: Batch, training: Any) -> Tensor:
        return (output.squeeze(1) - batch.targets[self.target.name]) ** 2

    def metrics(self, outputs: Tensor, targets: dict[str, Tensor]) -> dict[str, Any]:
        wanted = targets[self.target.name].double()
        error = (outputs.squeeze(1).double() - wanted) * self.target.std
        mse = float((error**2).mean())
        spread = float(((wanted - wanted.mean()) * self.target.std).square().mean())
        metrics = {"mse": mse, "rmse": math.sqrt(mse), "mae": float(error.abs().mean())}
        return metrics | ({"r2": 1 - mse / spread} if spread > 0 else {})

    def decode(self, outputs: Tensor) -> list[dict[str, Any]]:
        numbers = outputs.squeeze(1).double().tolist()
        return [{self.target.name: value * self.target.std + self.target.mean} for value in numbers]
