"""How a group of settings declares its fields: with a default, or open, to be chosen from the data."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.fields import FieldInfo


def setting(default: Any, *, advanced: bool = False, **details: Any) -> Any:
    """A setting with a default. `advanced`: `--help` of a task does not show its flag. `details`: see pydantic.Field."""
    return Field(default, json_schema_extra={"advanced": advanced}, **details)


def open_setting(
    *,
    fallback: Any = None,
    earlier: Any = None,
    advanced: bool = False,
    only_for: str | None = None,
    **details: Any,
) -> Any:
    """A setting that `Task.resolve` chooses from the data where the user left it out.

    fallback   its value where the task chooses none
    earlier    its value in runs of versions that did not have the setting; None if all versions had it
    only_for   the type of input that has this setting; with another type it stays None
    """
    extra = {"advanced": advanced, "open": True, "fallback": fallback, "earlier": earlier, "only_for": only_for}
    return Field(json_schema_extra=extra, **details)


def is_advanced(field: FieldInfo) -> bool:
    """Whether `--help` of a task leaves the setting out."""
    return bool(extra_of(field).get("advanced"))


def is_open(field: FieldInfo) -> bool:
    """Whether the setting is chosen from the data where the user left it out."""
    return bool(extra_of(field).get("open"))


def is_required(field: FieldInfo) -> bool:
    """Whether the setting has a value in every run: it is open, and not for one type of input alone."""
    return is_open(field) and extra_of(field).get("only_for") is None


def earlier_value(field: FieldInfo) -> Any:
    """The value of the setting in runs of versions that did not have it; None if all versions had it."""
    return extra_of(field).get("earlier")


def extra_of(field: FieldInfo) -> dict[str, Any]:
    """What `setting` and `open_setting` recorded about a field."""
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


def _types_of(annotation: Any) -> set[Any]:
    """`Literal["a"] | None` -> {str, NoneType}."""
    inner = get_args(annotation)
    if get_origin(annotation) is Literal:
        return {type(value) for value in inner}
    return set().union(*map(_types_of, inner)) if inner else {annotation}


class Group(BaseModel):
    """A group of settings. Unknown fields raise an error, and values do not change after construction."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _number_as_text(cls, value: Any, info: ValidationInfo) -> Any:
        """YAML reads `precision: 32` or `label: 1` as a number; where a setting is text, that is its spelling."""
        if type(value) is int and info.field_name is not None:
            taken = _types_of(cls.model_fields[info.field_name].annotation)
            return str(value) if str in taken and not {int, float} & taken else value
        return value
