"""classify: predicts a class, or a set of labels, for each sequence (N to 1), such as the sentiment of a review.

    input -> embedding -> recurrent layers -> pooling -> linear -> softmax, or a sigmoid for each label

The types of input are listed in tasks/inputs/registry.py. Whether a row has one class or several labels is detected from the
data (fields/label_columns.py). classification.py and multi_label.py are the heads.
"""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar, final

from ...data.sources.sources import Source
from ...fields.base import Field
from ...fields.label import Label
from ...fields.label_columns import find_label_form
from ...fields.labels import Labels
from ...settings import ClassTraining, Settings, open_setting, setting
from ..inputs.registry import InputData, InputModel
from ..shared.head import Head
from ..shared.row_dataset import RowDataset, TargetChoice
from ..shared.sequence_task import SequenceTask
from .classification import Classification
from .multi_label import MultiLabel


class ClassifyData(InputData):
    """Settings of the data: an input and a column of classes, or several labels per row."""

    label: str | None = setting(None, description="Column of the classes, or columns a,b.")
    multi_label: bool = open_setting(fallback=False, earlier=False, description="Several labels per row.")


ClassifySettings = Settings[ClassifyData, InputModel, ClassTraining]


@final
class Classify(SequenceTask[ClassifySettings]):
    """Classification of sequences: text, windows of numbers, images or audio."""

    name: ClassVar[str] = "classify"
    structure: ClassVar[str] = "N to 1"
    summary: ClassVar[str] = "a class or labels for each text, window of numbers or image: sentiment, intent, topics"
    settings_class = ClassifySettings
    inference_settings: ClassVar[tuple[str, ...]] = (
        "data.text",
        "data.label",
        "data.on_error",
        "data.encoding",
        "data.root",
    )

    @classmethod
    def dataset_for(cls, settings: ClassifySettings) -> RowDataset:
        """A dataset whose target is the field `label`: a class, or a set of labels."""
        column, several = settings.data.label, settings.data.multi_label

        def choose(source: Source) -> TargetChoice:
            found = several if several is not None else find_label_form(source, column, None).kind != "label"
            return TargetChoice([_field(column, found)], {"multi_label": found})

        return RowDataset(settings, [_field(column, bool(several))], choose_targets=choose)

    @cached_property
    def head(self) -> Head:
        """The head for the classes or the labels of the training data."""
        if self.settings.data.multi_label:
            return MultiLabel(self.dataset.target(Labels))
        return Classification(self.dataset.target(Label))


def _field(column: str | None, several: bool) -> Field:
    return Labels("label", column) if several else Label("label", column)
