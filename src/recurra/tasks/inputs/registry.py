"""The input types of classify and regress, and how one is selected.

`data.input` names the type. Otherwise a setting that only one type has selects it, and otherwise the first rows of the data do;
`train` prints the type and the reason. To add a type, write a module like `text.py`, add the class to `INPUTS`, its settings to
the bases of `InputData` and `InputModel`, and its name to `InputData.input`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from ...data.sources.sources import Source
from ...errors import DataError, SettingError
from ...fields.audio import AudioData
from ...fields.media import MediaData
from ...models.encoder import EncoderModel
from ...settings import Settings, is_open, setting
from .audio import AudioInput
from .base import Input
from .image import ImageData, ImageInput, ImageModel
from .numbers import NumbersData, NumbersInput
from .row_data import RowData
from .text import TextData, TextInput, TextModel

INPUTS: dict[str, type[Input]] = {
    cls.input_type: cls for cls in (AudioInput, ImageInput, NumbersInput, TextInput)
}  # matched against the data in this order


class InputData(AudioData, ImageData, NumbersData, TextData):
    """Settings of the data of all input types."""

    input: Literal["text", "numbers", "image", "audio"] | None = setting(None, description="Input type.")


class InputModel(ImageModel, TextModel):
    """Settings of the encoder of all input types."""


def choose_input(
    settings: Settings[Any, Any, Any], source: Source, others: Callable[[Source], Sequence[str]]
) -> tuple[str, str]:
    """Return the name of the input type and the reason.

    Args:
        settings: of the task, with `data.input` or settings of one type, or without.
        source: the rows.
        others: returns the columns of the other fields.

    Raises:
        SettingError: settings of two types are set.
    """
    changed = {name: _changed_settings(input_type, settings) for name, input_type in INPUTS.items()}
    requested: str | None = settings.data.input
    implied = [name for name, keys in changed.items() if keys and name != requested]
    if requested is not None and implied:
        setting_name = changed[implied[0]][0]
        raise SettingError(
            f"{setting_name} applies only to {implied[0]} inputs, but input={requested}; "
            f"remove {setting_name}, or set input={implied[0]}"
        )
    if len(implied) > 1:
        one, other = implied[:2]
        raise SettingError(
            f"{changed[one][0]} applies only to {one} inputs, and {changed[other][0]} only to {other} inputs; "
            f"remove {changed[one][0]} or {changed[other][0]}"
        )
    if requested is not None:
        return requested, "as requested"
    if implied:
        return implied[0], f"selected by {changed[implied[0]][0]}"
    try:
        taken = others(source)
    except DataError:  # the target is ambiguous: the error is raised when the columns are found
        taken = []
    matches = ((name, input_type.matches(source, taken)) for name, input_type in INPUTS.items())
    return next((name, reason) for name, reason in matches if reason is not None)  # text matches anything


def _changed_settings(input_type: type[Input], settings: Settings[Any, Any, Any]) -> list[str]:
    """The settings that only this type has and that differ from their default; `root` belongs to images and audio."""
    changed = []
    groups = ((settings.data, input_type.Data, RowData), (settings.model, input_type.Model, EncoderModel))
    for group, cls, base in groups:
        for key in cls.model_fields.keys() - base.model_fields.keys() - MediaData.model_fields.keys():
            field = cls.model_fields[key]
            if getattr(group, key) != (None if is_open(field) else field.default):
                changed.append(key)
    return sorted(changed)
