"""regress: predicts a number for each sequence (N to 1), such as a rating of a review or a remaining lifetime.

    input -> embedding -> recurrent layers -> pooling -> linear

The loss is the squared error of the standardised target. The types of input are listed in tasks/inputs/registry.py.
"""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar, final

from ...fields.number import Number
from ...settings import Settings, TrainingSettings, setting
from ..inputs.registry import InputData, InputModel
from ..shared.row_dataset import RowDataset
from ..shared.sequence_task import SequenceTask
from .regression import Regression


class RegressData(InputData):
    """Settings of the data: an input and a column of numbers."""

    target: str | None = setting(None, description="Column of the target, a number; detected by default.")


RegressSettings = Settings[RegressData, InputModel, TrainingSettings]


@final
class Regress(SequenceTask[RegressSettings]):
    """Regression on sequences: text, windows of numbers, images or audio."""

    name: ClassVar[str] = "regress"
    structure: ClassVar[str] = "N to 1, a number"
    summary: ClassVar[str] = "a number for each text or window of numbers: a rating, a price, a length of stay"
    settings_class = RegressSettings
    inference_settings: ClassVar[tuple[str, ...]] = (
        "data.text",
        "data.target",
        "data.on_error",
        "data.encoding",
        "data.root",
    )

    @classmethod
    def dataset_for(cls, settings: RegressSettings) -> RowDataset:
        """A dataset whose target is the field `target`."""
        data = settings.data
        return RowDataset(settings, [Number("target", data.target, decimal=data.decimal, missing=data.missing)])

    @cached_property
    def head(self) -> Regression:
        """The head that standardises with the mean and standard deviation of the training data."""
        return Regression(self.dataset.target(Number))
