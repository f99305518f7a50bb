"""classify: a class for each sequence (N to 1). Sentiment, intent, the language of a name, a window of measurements, ...

input -> vectors -> recurrent layers -> pooling -> linear -> softmax        kinds of input: parts/inputs/kinds.py
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field as Setting

from ...fields.label import Label
from ...settings import DataSettings, Settings
from ..inputs.registry import InputData, InputTask
from .classification import OneClass


class ClassifyData(InputData):
    """An input and a column of classes."""

    label: str | None = Setting(None, description="column of the classes; found by itself")


class Classify(OneClass, InputTask):
    """See the module's docstring."""

    name: ClassVar[str] = "classify"
    structure: ClassVar[str] = "N to 1"
    summary: ClassVar[str] = "a class for each text, window of numbers or image: sentiment, intent, language of a name"
    Data: ClassVar[type[DataSettings]] = ClassifyData

    def __init__(self, settings: Settings, **given: Any) -> None:
        super().__init__(settings, **given)
        self.label = Label("label", getattr(settings.data, "label", None))
        self.fields.append(self.label)
