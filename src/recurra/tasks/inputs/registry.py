"""The kinds of input that classify and regress take, and the task over one of them.

`data.input` names the kind. Left open, a setting that belongs to one kind alone names it, else a look at the data does; the
printed lines say which it was and why. To add a kind: a file as `text.py`, its line in `KINDS`, its settings among the
bases of `InputData` (and of `InputModel`), and its word in `InputData.input`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field as Setting
from torch import nn

from ...data.sources.sources import Source
from ...errors import DataError, SettingError
from ...fields.audio import AudioData
from ...models.encoder import EncoderModel
from ...settings import ADDED, DataSettings, ModelSettings, Settings
from ..base import Batch, Reading, Say
from ..shared.pretrained import Pretrained
from ..shared.sequence_task import RowData
from .audio import AudioInput
from .base import Input
from .image import ImageData, ImageInput, ImageModel
from .numbers import NumbersData, NumbersInput
from .text import TextData, TextInput, TextModel

KINDS: dict[str, type[Input]] = {
    kind.called: kind for kind in (AudioInput, ImageInput, NumbersInput, TextInput)
}  # asked in this order


class InputData(AudioData, ImageData, NumbersData, TextData):
    """Rows with an input of any kind."""

    input: Literal["text", "numbers", "image", "audio"] | None = Setting(
        None, description="kind of the input, if not as found", json_schema_extra=ADDED
    )


class InputModel(ImageModel, TextModel):
    """An encoder of any kind of input."""


class InputTask(Pretrained):
    """A task whose first field is an input of any kind; a subclass adds its target after `super().__init__`."""

    one_way: ClassVar[bool] = True
    Data: ClassVar[type[DataSettings]] = InputData
    Model: ClassVar[type[ModelSettings]] = InputModel

    def __init__(self, settings: Settings, **given: Any) -> None:
        super().__init__(settings, **given)
        self.fields = [self._field()]

    def _field(self) -> Input:
        """Of the kind that the settings name; text until it is known, and in runs from before there were others."""
        return KINDS[getattr(self.settings.data, "input", None) or "text"].made(self.settings)

    @property
    def kind(self) -> Input:
        field = self.fields[0]
        assert isinstance(field, Input)
        return field

    def read(
        self, data: str | Path, valid: str | Path | None, cache: Path, say: Say, tick: Callable[[int], None]
    ) -> Reading:
        asked = getattr(self.settings.data, "input", None)
        source = super()._source(data)
        name, why = which(self.settings, source, self._others)
        self.settings = self.settings.with_(data={"input": name})
        self.fields[0] = self._field()
        reading = super().read(data, valid, cache, say, tick)
        if asked is None:
            reading.lines.append(f"input: {name} ({why})")
        return reading

    def _others(self, source: Source) -> list[str]:
        """The columns of the other fields, where they can be told without the input's."""
        return [field.find(source, ()) for field in self.fields[1:]]

    def _source(self, data: str | Path) -> Source:
        return self.kind.view(super()._source(data), self._others)

    def inputs_of(self, source: Source) -> Any:
        return super().inputs_of(self.kind.view(source, self._others))

    def _input_value(self, example: Any) -> Any:
        if isinstance(example, dict) and (value := self.kind.of(example)) is not None:
            return value
        return super()._input_value(example)

    def predict(self, network: nn.Module, examples: Sequence[Any]) -> list[dict[str, Any]]:
        results = super().predict(network, examples)
        return [self.kind.named(example) | result for example, result in zip(examples, results, strict=True)]

    def batch(self, key: np.ndarray) -> Batch:
        batch = super().batch(key)
        batch.inputs["x"], batch.inputs["lengths"] = self.kind.disturbed(batch.inputs["x"], batch.inputs["lengths"])
        return batch

    def choose(self, reading: Reading) -> Settings:
        return self.kind.choose(self.settings, reading)

    def front(self) -> tuple[nn.Module, int]:
        return self.kind.front(self.settings.model)


def which(settings: Settings, source: Source, others: Callable[[Source], Sequence[str]]) -> tuple[str, str]:
    """The kind of the input and why it is that, in words. SettingError where settings of two kinds are given."""
    given = {name: _given(kind, settings) for name, kind in KINDS.items()}
    asked: str | None = getattr(settings.data, "input", None)
    named = [name for name, keys in given.items() if keys and name != asked]
    if asked is not None and named:
        raise SettingError(f"{given[named[0]][0]} is for {named[0]}, and the input is {asked}; leave one of them out")
    if len(named) > 1:
        one, other = named[:2]
        raise SettingError(
            f"{given[one][0]} is for {one}, and {given[other][0]} for {other}; an input is of one kind, leave one out"
        )
    if asked is not None:
        return asked, "as you say"
    if named:
        return named[0], f"{given[named[0]][0]} is for it"
    try:
        taken = others(source)
    except DataError:  # several columns could be the target: what is left open is told when it is read
        taken = []
    for name, kind in KINDS.items():
        if why := kind.suits(source, taken):
            return name, why
    raise AssertionError("text suits anything")


def _given(kind: type[Input], settings: Settings) -> list[str]:
    """The settings of this kind alone that are not as they are by default."""
    found = []
    for group, cls, base in ((settings.data, kind.Data, RowData), (settings.model, kind.Model, EncoderModel)):
        for key in cls.model_fields.keys() - base.model_fields.keys():
            if getattr(group, key) != cls.model_fields[key].default:
                found.append(key)
    return sorted(found)
