"""The types of input that classify and regress take, and how one is chosen.

`data.input` names the type. Left open, a setting that belongs to one type alone selects it, else a look at the data does; the
printed lines report which it is and why. To add a type: a file as `text.py`, its line in `INPUTS`, its settings among the
bases of `InputData` (and of `InputModel`), and its word in `InputData.input`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from ...data.sources.sources import Source
from ...errors import DataError, SettingError
from ...fields.audio import AudioData
from ...models.encoder import EncoderModel
from ...settings import Settings, is_open, setting
from .audio import AudioInput
from .base import Input
from .image import ImageData, ImageInput, ImageModel
from .numbers import NumbersData, NumbersInput
from .row_data import RowData
from .text import TextData, TextInput, TextModel

INPUTS: dict[str, type[Input]] = {
    kind.input_type: kind for kind in (AudioInput, ImageInput, NumbersInput, TextInput)
}  # tried in this order


class InputData(AudioData, ImageData, NumbersData, TextData):
    """Rows with an input of any type."""

    input: Literal["text", "numbers", "image", "audio"] | None = setting(
        None, description="kind of the input, if not as found"
    )


class InputModel(ImageModel, TextModel):
    """An encoder of any type of input."""


def choose_input(
    settings: Settings[Any, Any, Any], source: Source, others: Callable[[Source], Sequence[str]]
) -> tuple[str, str]:
    """The type of the input and the reason. SettingError where settings of two types are given.

    `others` finds the columns of the other fields.
    """
    given = {name: _given(kind, settings) for name, kind in INPUTS.items()}
    asked: str | None = settings.data.input
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
    except DataError:  # several columns could be the target: what is left open is reported when it is read
        taken = []
    found = ((name, kind.matches(source, taken)) for name, kind in INPUTS.items())
    return next((name, reason) for name, reason in found if reason is not None)  # text matches anything


def _given(kind: type[Input], settings: Settings[Any, Any, Any]) -> list[str]:
    """The settings of this type alone that are not as they are by default."""
    found = []
    for group, cls, base in ((settings.data, kind.Data, RowData), (settings.model, kind.Model, EncoderModel)):
        for key in cls.model_fields.keys() - base.model_fields.keys():
            field = cls.model_fields[key]
            if getattr(group, key) != (None if is_open(field) else field.default):
                found.append(key)
    return sorted(found)
