"""classify: a class for each sequence (N to 1). Sentiment, intent, the language of a name, a window of measurements, ...

input -> embedding -> recurrent layers -> pooling -> linear -> softmax        types of input: tasks/inputs/registry.py
"""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar, final

from ...fields.label import Label
from ...settings import ClassTraining, Settings, setting
from ..inputs.registry import InputData, InputModel
from ..shared.row_dataset import RowDataset
from ..shared.sequence_task import SequenceTask
from .classification import Classification


class ClassifyData(InputData):
    """An input and a column of classes."""

    label: str | None = setting(None, description="column of the classes; found by itself")


ClassifySettings = Settings[ClassifyData, InputModel, ClassTraining]


@final
class Classify(SequenceTask[ClassifySettings]):
    """See the module's docstring."""

    name: ClassVar[str] = "classify"
    structure: ClassVar[str] = "N to 1"
    summary: ClassVar[str] = "a class for each text, window of numbers or image: sentiment, intent, language of a name"
    settings_class = ClassifySettings

    @classmethod
    def dataset_for(cls, settings: ClassifySettings) -> RowDataset:
        return RowDataset(settings, [Label("label", settings.data.label)])

    @cached_property
    def head(self) -> Classification:
        return Classification(self.dataset.target(Label))
