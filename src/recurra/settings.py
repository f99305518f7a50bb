"""Settings: three groups of typed, frozen fields, checked on construction.

A task declares its own groups as subclasses of the ones here and combines them: `Settings[MyData, MyModel, MyTraining]`.
The flags of the command line, configuration files, `config.yaml` of a run and `--help` are all derived from these fields.

A setting declared with `open_setting` has no fixed default: where the user leaves it out, `Task.resolve` chooses it from the
data. The same class therefore has two forms:

    as_given(cls)      what the user wrote: open settings may be None
    as_resolved(cls)   what a task works with: no open setting is None, so nothing downstream has to check
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from functools import cache
from typing import Any, Generic, Literal, Optional, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, field_validator, model_validator
from pydantic.fields import FieldInfo

from .errors import SettingError, near
from .gradient_settings import GradientSettings
from .regularization_settings import LayerSettings, Regularization
from .setting_fields import Group as Group
from .setting_fields import earlier_value as earlier_value
from .setting_fields import extra_of
from .setting_fields import is_advanced as is_advanced
from .setting_fields import is_open as is_open
from .setting_fields import is_required as is_required
from .setting_fields import open_setting as open_setting
from .setting_fields import setting as setting
from .yaml_mappings import mapping_problem

GROUPS = ("data", "model", "training")
DEFAULT_CELL = "lstm"


class DataSettings(Group):
    """Settings of the data: where the examples come from and how they are read."""

    validation_fraction: float = setting(
        0.1, gt=0, lt=0.9, description="Fraction of the rows held out for validation when --valid is not given."
    )
    on_error: Literal["raise", "skip"] = setting(
        "raise", description="What to do with a row that cannot be used: raise an error or skip it."
    )
    encoding: str = setting("auto", description="Encoding of text files; detected by default.")
    separator: str = setting(
        "auto", description="Separator of the columns: a character, tab, blanks, or none; detected by default."
    )
    header: Literal["auto", "yes", "no"] = setting("auto", description="Whether the first line has column names.")
    quoting: Literal["auto", "yes", "no"] = setting(
        "auto", description="Whether quotes enclose cells (yes) or are part of the text (no)."
    )

    @field_validator("header", "quoting", mode="before")
    @classmethod
    def _yes_or_no(cls, value: Any) -> Any:
        """YAML reads yes and no as truth values."""
        return (
            {True: "yes", False: "no", None: "auto"}.get(value, value)
            if value is None or type(value) is bool
            else value
        )


class ModelSettings(LayerSettings):
    """Settings of the network."""

    cell: str = open_setting(
        fallback=DEFAULT_CELL,
        description="Cell of the recurrent layers: a name, or file.py:Class (lstm or gru, depending on the data).",
    )
    cell_options: dict[str, bool | int | float | str] = setting(
        {}, description="Options of the cell, such as {nonlinearity: relu}."
    )
    hidden_size: int = open_setting(ge=1, description="Number of features of the hidden state, in each direction.")
    num_layers: int = open_setting(ge=1, le=64, description="Number of stacked recurrent layers.")
    dropout: float = open_setting(
        ge=0, lt=1, description="Dropout probability before, between and after the recurrent layers."
    )
    backend: str = setting("auto", description="Backend that runs the cell over time: auto, native, torch, reference.")


class TrainingSettings(GradientSettings, Regularization):
    """Settings of the training run."""

    seed: int = setting(
        0, ge=0, description="Random seed for initialization, shuffling and dropout; it does not affect the split."
    )
    max_minutes: float | None = setting(None, gt=0, description="Time limit in minutes, including reading.")
    steps: int | None = setting(None, ge=1, description="Number of optimizer steps; replaces max_minutes and epochs.")
    epochs: float = open_setting(
        gt=0, description="Maximum number of epochs; early stopping may end the training sooner."
    )
    step_schedule: list[tuple[int, float, int]] | None = setting(
        None, description="Step schedule of an earlier run, as recorded in its config.yaml, to repeat that run."
    )
    batch_size: int = open_setting(ge=1, description="Number of sequences in a batch.")
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop", "adagrad", "adadelta", "nadam"] = setting(
        "adamw", description="Optimizer."
    )
    learning_rate: float = open_setting(gt=0, description="Maximum learning rate of the schedule.")
    momentum: float | None = setting(None, ge=0, lt=1, description="Momentum of sgd and rmsprop (0.9 for sgd).")
    schedule: Literal["cosine", "linear", "constant"] = setting(
        "cosine", description="Learning rate schedule after the warm-up."
    )
    warmup: float = setting(0.05, ge=0, lt=1, description="Fraction of the steps in which the learning rate rises.")
    weight_decay: float = setting(
        0.01,
        ge=0,
        description="Weight decay without biases and embeddings: decoupled for adamw (0.01), L2 for the others (0).",
    )
    ema_decay: float = open_setting(
        ge=0, lt=1, description="Decay of the exponential moving average of the weights; 0 for none."
    )
    patience: int = open_setting(
        ge=1, description="Number of evaluations without improvement before the training stops."
    )
    num_evaluations: int | None = setting(None, ge=1, description="Number of evaluations in a run.")
    device: str = setting("auto", description="Device: auto, cpu, cuda, cuda:1, mps.")
    precision: Literal["32", "bf16", "16", "64"] = setting(
        "32", description="Floating point precision: 32, bf16 (mixed), 16 (mixed), 64."
    )
    devices: int = setting(1, ge=1, description="Number of devices to train on.")
    threads: int | None = setting(None, ge=1, description="Number of CPU threads (all cores, or OMP_NUM_THREADS).")

    @model_validator(mode="before")
    @classmethod
    def _decay_of_the_optimizer(cls, values: Any) -> Any:
        """The default decay is that of torch. Adaptive optimizers divide an L2 term by the size of the gradient, so that 0.01
        outweighs the gradient of a small loss, and all weights become 0."""
        if isinstance(values, Mapping) and "weight_decay" not in values:
            return {**values, "weight_decay": 0.01 if values.get("optimizer", "adamw") == "adamw" else 0.0}
        return values


class ClassTraining(TrainingSettings):
    """Settings of the training run of a task whose targets are classes or tokens."""

    label_smoothing: float = setting(0.0, ge=0, lt=1, description="Label smoothing.")


D = TypeVar("D", bound=DataSettings, covariant=True)
M = TypeVar("M", bound=ModelSettings, covariant=True)
T = TypeVar("T", bound=TrainingSettings, covariant=True)


class Settings(BaseModel, Generic[D, M, T]):
    """All settings of a run: `Settings[DataSettings, ModelSettings, TrainingSettings]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    data: D
    model: M
    training: T

    def with_(self, **groups: Mapping[str, Any]) -> Self:
        """A copy with some fields changed, checked again: `settings.with_(model={"hidden_size": 64})`."""
        return check(type(self), self._with(**groups))

    def fill(self, **groups: Mapping[str, Any]) -> Self:
        """The resolved settings: fields that are None take the given values, the user's own are kept.

        Raises SettingError where an open setting still has no value.
        """
        values: dict[str, dict[str, Any]] = {}
        for group in GROUPS:
            given: Group = getattr(self, group)
            defaults = _fallbacks(type(given)) | dict(groups.get(group, {}))
            values[group] = {name: value for name, value in defaults.items() if getattr(given, name, 0) is None}
        return check(as_resolved(type(self)), self._with(**values))

    def _with(self, **groups: Mapping[str, Any]) -> dict[str, Any]:
        values = self.model_dump(exclude_unset=True)  # a field that nobody set stays unset in the copy
        for group, changes in groups.items():
            values.setdefault(group, {}).update(changes)
        return values


def _fallbacks(group: type[Group]) -> dict[str, Any]:
    fallbacks = {name: extra_of(field).get("fallback") for name, field in group.model_fields.items()}
    return {name: value for name, value in fallbacks.items() if value is not None}


S = TypeVar("S", bound=Settings[Any, Any, Any])


def as_given(cls: type[S]) -> type[S]:
    """The form of `cls` that a user fills in: every open setting may be None, and is where it is left out."""
    return _form(cls, is_open)


def as_resolved(cls: type[S]) -> type[S]:
    """The form of `cls` after `Task.resolve`: only settings of another type of input may be None."""
    return _form(cls, lambda field: is_open(field) and not is_required(field))


def _form(cls: type[S], may_be_none: Callable[[FieldInfo], bool]) -> type[S]:
    declared = getattr(cls, "declared", cls)
    groups = {name: _group_form(declared.model_fields[name].annotation, may_be_none) for name in GROUPS}
    return _settings_form(declared, *groups.values())


@cache
def _settings_form(declared: type[Any], *groups: type[Group]) -> type[Any]:
    fields: dict[str, Any] = {
        name: (group, Field(default_factory=group)) for name, group in zip(GROUPS, groups, strict=True)
    }
    form = create_model(declared.__name__, __base__=declared, **fields)
    form.declared = declared
    return form


def _group_form(group: Any, may_be_none: Callable[[FieldInfo], bool]) -> type[Group]:
    return _optional(group, tuple(name for name, field in group.model_fields.items() if may_be_none(field)))


@cache
def _optional(group: type[Group], names: tuple[str, ...]) -> type[Group]:
    """`group` with None as another value of these fields, and as their default."""
    changed: dict[str, Any] = {}
    for name in names:
        field = copy(group.model_fields[name])
        field.default = None
        changed[name] = (Optional[field.annotation], field)  # noqa: UP045  an annotation made at run time
    return create_model(group.__name__, __base__=group, **changed) if changed else group


def fields(cls: type[Settings[Any, Any, Any]]) -> dict[str, tuple[str, FieldInfo]]:
    """Every setting: `group.name` -> (group, pydantic's field: annotation, default, description)."""
    groups = as_given(cls).model_fields
    return {
        f"{group}.{name}": (group, field)
        for group in GROUPS
        for name, field in _group(groups[group]).model_fields.items()
    }


def _group(field: FieldInfo) -> type[Group]:
    return field.annotation  # type: ignore[return-value]


def full_name(cls: type[Settings[Any, Any, Any]], key: str) -> str:
    """`model.cell` for `cell` or `model.cell`; raises SettingError when unknown or ambiguous."""
    known = fields(cls)
    if key in known:
        return key
    found = [name for name in known if name.partition(".")[2] == key]
    if len(found) == 1:
        return found[0]
    if found:
        raise SettingError(f"setting {key!r} is ambiguous: {' or '.join(found)}?")
    short = {name.partition(".")[2] for name in known}
    raise SettingError(f"unknown setting {key!r}; {near(key, set(known) if '.' in key else short)}")


def settings_from(cls: type[S], *sources: Mapping[str, Any]) -> S:
    """Settings of the form `cls` from several mappings of names to values, later ones over earlier ones.

    A name is `group.name` or an unambiguous last part; a mapping may also be nested by group, as in a file.
    """
    values: dict[str, dict[str, Any]] = {group: {} for group in GROUPS}
    for source in sources:
        for key, value in source.items():
            if key in GROUPS and isinstance(value, Mapping):
                for name, inner in value.items():
                    group, _, short = full_name(cls, f"{key}.{name}").partition(".")
                    values[group][short] = inner
            else:
                group, _, short = full_name(cls, key).partition(".")
                values[group][short] = value
    return check(cls, values)


def check(cls: type[S], values: Mapping[str, Any]) -> S:
    """Build `cls`. A validation error becomes a SettingError with one line that names the setting."""
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"][:2])
        if first["type"] == "missing":
            raise SettingError(f"setting {name} has no value") from None
        if problem := mapping_problem(name, first["type"], first["input"]):
            raise SettingError(problem) from None
        raise SettingError(f"setting {name} = {first['input']!r}: {first['msg']}") from None
