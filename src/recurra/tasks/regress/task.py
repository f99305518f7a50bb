"""regress: a number for each sequence (N to 1). A rating from a review, remaining life from sensor windows, ...

input -> embedding -> recurrent layers -> pooling -> linear; squared error of the standardised number. Types of input:
tasks/inputs/registry.py
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
    """An input and a column of numbers."""

    target: str | None = setting(None, description="column of the number; found by itself")


RegressSettings = Settings[RegressData, InputModel, TrainingSettings]


@final
class Regress(SequenceTask[RegressSettings]):
    """See the module's docstring."""

    name: ClassVar[str] = "regress"
    structure: ClassVar[str] = "N to 1, a number"
    summary: ClassVar[str] = "a number for each text or window of numbers: a rating, a price, a length of stay"
    settings_class = RegressSettings

    @classmethod
    def dataset_for(cls, settings: RegressSettings) -> RowDataset:
        return RowDataset(settings, [Number("number", settings.data.target)])

    @cached_property
    def head(self) -> Regression:
        return Regression(self.dataset.target(Number))
