"""The head of regression: squared error of the standardised target; metrics and JSON in the units of the data."""

from __future__ import annotations

import math
from typing import Any, final

from torch import Tensor

from ...fields.number import Number
from ..base import Batch, Selection
from ..shared.head import Head


@final
class Regression(Head):
    """Predicts one number for each example with the squared error. An ensemble averages the predictions.

    Args:
        target: the field of the numbers. Its mean and standard deviation convert outputs to the units of the data.
    """

    def __init__(self, target: Number) -> None:
        self.target = target

    @property
    def outputs(self) -> int:
        """One output: the standardised prediction."""
        return 1

    @property
    def selection(self) -> Selection:
        """The mean squared error selects the best weights."""
        return Selection("mse")

    def combine(self, outputs: Tensor) -> Tensor:
        """The mean over the ensemble: (M, B, 1) -> (B, 1)."""
        return outputs.mean(0)

    def losses(self, output: Tensor, batch: Batch, training: Any) -> Tensor:
        """The squared error of each standardised prediction, (B,)."""
        return (output.squeeze(1) - batch.targets[self.target.name]) ** 2

    def metrics(self, outputs: Tensor, targets: dict[str, Tensor]) -> dict[str, Any]:
        """`mse`, `rmse`, `mae` and, unless all targets are equal, `r2`, in the units of the data."""
        true = targets[self.target.name].double()
        error = (outputs.squeeze(1).double() - true) * self.target.std
        mse = float((error**2).mean())
        variance = float(((true - true.mean()) * self.target.std).square().mean())
        metrics = {"mse": mse, "rmse": math.sqrt(mse), "mae": float(error.abs().mean())}
        return metrics | ({"r2": 1 - mse / variance} if variance > 0 else {})

    def decode(self, outputs: Tensor) -> list[dict[str, Any]]:
        """The `prediction` for each example, in the units of the data."""
        values = outputs.squeeze(1).double().tolist()
        return [{"prediction": value * self.target.std + self.target.mean} for value in values]
