"""classify: predicts a class for each sequence (N to 1), such as the sentiment of a review or the language of a name.

    input -> embedding -> recurrent layers -> pooling -> linear -> softmax

The types of input are listed in tasks/inputs/registry.py.
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
    """Settings of the data: an input and a column of classes."""

    label: str | None = setting(None, description="Column of the classes; detected by default.")


ClassifySettings = Settings[ClassifyData, InputModel, ClassTraining]


@final
class Classify(SequenceTask[ClassifySettings]):
    """Classification of sequences: text, windows of numbers, images or audio."""

    name: ClassVar[str] = "classify"
    structure: ClassVar[str] = "N to 1"
    summary: ClassVar[str] = "a class for each text, window of numbers or image: sentiment, intent, language of a name"
    settings_class = ClassifySettings
    inference_settings: ClassVar[tuple[str, ...]] = ("data.text", "data.label", "data.on_error", "data.encoding")

    @classmethod
    def dataset_for(cls, settings: ClassifySettings) -> RowDataset:
        """A dataset whose target is the field `label`."""
        return RowDataset(settings, [Label("label", settings.data.label)])

    @cached_property
    def head(self) -> Classification:
        """The head for the classes of the training data."""
        return Classification(self.dataset.target(Label))
