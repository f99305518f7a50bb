"""Settings: three groups of typed, frozen fields, checked on construction. A field that is None is chosen from the data.

A task declares its own `Data`, `Model` and `Training` as subclasses of the groups here, so the command line's flags, the
configuration file, `config.yaml` of a run and `--help` all come from the same fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, create_model, field_validator

from .errors import SettingError, near
from .yaml_mappings import check_spaces, mapping_problem

if TYPE_CHECKING:
    from .tasks.base import Task

GROUPS = ("data", "model", "training")
RARE: Any = {"rare": True}  # json_schema_extra of a field whose flag is not among those that --help shows
ADDED: Any = {
    "added": True
}  # of a field that a run may lack, being younger than format 1 or asked for rarely: it means None


def may_lack(field: Any) -> bool:
    """Whether config.yaml of a whole run may leave a field of a group out."""
    return bool((field.json_schema_extra or {}).get("added"))


def _types_of(annotation: Any) -> set[Any]:
    """`Literal["a"] | None` -> {str, NoneType}."""
    inner = get_args(annotation)
    if get_origin(annotation) is Literal:
        return {type(value) for value in inner}
    return set().union(*map(_types_of, inner)) if inner else {annotation}


class Group(BaseModel):
    """A group of settings: unknown fields raise, values do not change after construction."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _number_as_text(cls, value: Any, info: ValidationInfo) -> Any:
        """YAML reads `precision: 32` or `label: 1` as a number; where a setting is text, that is its spelling."""
        if type(value) is int and info.field_name is not None:
            taken = _types_of(cls.model_fields[info.field_name].annotation)
            return str(value) if str in taken and not {int, float} & taken else value
        return value


class DataSettings(Group):
    """Where the examples come from and how they are read."""

    valid_share: float = Field(0.1, gt=0, lt=0.9, description="share of the rows held back when no --valid is given")
    broken: Literal["stop", "skip"] = Field("stop", description="a row that cannot be read stops the run or is skipped")
    encoding: str = Field("utf-8", description="encoding of text files")


class ModelSettings(Group):
    """The network."""

    cell: str | None = Field(
        None, description="cell of the recurrent layers: a name, or file.py:Class; lstm or gru, chosen"
    )
    cell_options: dict[str, bool | int | float | str] = Field({}, description="of the cell: {nonlinearity: relu}")
    hidden_size: int | None = Field(None, ge=1, description="features of the hidden state, each direction")
    num_layers: int | None = Field(None, ge=1, le=64, description="recurrent layers, one on top of the other")
    dropout: float | None = Field(None, ge=0, lt=1, description="dropout before, between and after the layers")
    backend: str = Field("auto", description="what runs the cell over time: auto, native, torch, reference")


class TrainingSettings(Group):
    """The training run."""

    seed: int = Field(0, ge=0, description="of weights, order and dropout; the split is by the rows' hash")
    max_minutes: float | None = Field(None, gt=0, description="time for all of it, reading included")
    steps: int | None = Field(None, ge=1, description="optimiser steps; instead of max_minutes or epochs")
    epochs: float | None = Field(None, gt=0, description="passes over the data; early stopping may end sooner")
    plan: list[tuple[int, float, int]] | None = Field(
        None, description="the steps of an earlier run, as its config.yaml records them, to repeat it"
    )
    batch_size: int | None = Field(None, ge=1, description="rows of a batch")
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop", "adagrad", "adadelta", "nadam"] = Field(
        "adamw", description="optimiser, by torch's name"
    )
    learning_rate: float | None = Field(None, gt=0, description="at the top of the schedule")
    momentum: float | None = Field(None, ge=0, lt=1, description="of sgd and rmsprop; 0.9 for sgd")
    schedule: Literal["cosine", "linear", "constant"] = Field("cosine", description="learning rate after the warm-up")
    warmup: float = Field(0.05, ge=0, lt=1, description="share of the steps with a rising learning rate")
    weight_decay: float = Field(
        0.01, ge=0, description="decoupled for adamw, L2 for the others; weights only, no biases"
    )
    clip_norm: float | None = Field(1.0, gt=0, description="largest norm of the whole gradient; null for none")
    clip_value: float | None = Field(None, gt=0, description="largest absolute value of a gradient entry")
    averaging: float | None = Field(None, ge=0, lt=1, description="decay of the weights' moving average; 0 for none")
    patience: int | None = Field(None, ge=1, description="evaluations without a better figure before stopping")
    evaluations: int | None = Field(None, ge=1, description="evaluations in all when the steps are known")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps")
    precision: Literal["32", "bf16", "16", "64"] = Field(
        "32", description="arithmetic: 32, bf16 (mixed), 16 (mixed), 64"
    )
    devices: int = Field(1, ge=1, description="devices to train on")
    threads: int | None = Field(None, ge=1, description="CPU threads; all cores by default, OMP_NUM_THREADS counts")


class ClassTraining(TrainingSettings):
    """The training run of a task whose targets are classes or tokens."""

    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of the target spread over classes")


class Settings(BaseModel):
    """All settings of a run."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    data: DataSettings
    model: ModelSettings
    training: TrainingSettings

    def with_(self, **groups: Mapping[str, Any]) -> Settings:
        """A copy with some fields changed, checked again: `settings.with_(model={"hidden_size": 64})`."""
        values = self.model_dump(exclude_unset=True)  # what nobody set is still seen to be unset in the copy
        for group, changes in groups.items():
            values.setdefault(group, {}).update(changes)
        return check(type(self), values)

    def with_open(self, **groups: Mapping[str, Any]) -> Settings:
        """A copy in which the fields that are open (None) take these values: how a task gives its defaults."""
        values = {
            group: {name: value for name, value in defaults.items() if getattr(getattr(self, group), name, 0) is None}
            for group, defaults in groups.items()
        }
        return self.with_(**values)


def settings_class(task: type[Task]) -> type[Settings]:
    """The settings of one task: the groups it declares."""

    return create_model(
        f"{task.__name__}Settings",
        __base__=Settings,
        data=(task.Data, Field(default_factory=task.Data)),
        model=(task.Model, Field(default_factory=task.Model)),
        training=(task.Training, Field(default_factory=task.Training)),
    )


def fields(task: type[Task]) -> dict[str, tuple[str, Any]]:
    """Every setting of a task: `group.name` -> (group, pydantic's field: annotation, default, description)."""
    groups: dict[str, type[Group]] = {"data": task.Data, "model": task.Model, "training": task.Training}
    return {
        f"{group}.{name}": (group, field) for group, cls in groups.items() for name, field in cls.model_fields.items()
    }


def full_name(task: type[Task], key: str) -> str:
    """`model.cell` for `cell` or `model.cell`; raises SettingError when unknown or ambiguous."""
    known = fields(task)
    if key in known:
        return key
    found = [name for name in known if name.partition(".")[2] == key]
    if len(found) == 1:
        return found[0]
    if found:
        raise SettingError(f"setting {key!r} is ambiguous: {' or '.join(found)}?")
    short = {name.partition(".")[2] for name in known}
    raise SettingError(f"{task.name} has no setting {key!r}; {near(key, set(known) if '.' in key else short)}")


def settings_from(task: type[Task], *sources: Mapping[str, Any]) -> Settings:
    """Settings of `task` from several mappings of names to values, later ones over earlier ones.

    A name is `group.name` or an unambiguous last part; a mapping may also be nested by group, as in a file.
    """
    values: dict[str, dict[str, Any]] = {group: {} for group in GROUPS}
    for source in sources:
        for key, value in source.items():
            if key in GROUPS and isinstance(value, Mapping):
                for name, inner in value.items():
                    group, _, short = full_name(task, f"{key}.{name}").partition(".")
                    values[group][short] = inner
            else:
                group, _, short = full_name(task, key).partition(".")
                values[group][short] = value
    return check(settings_class(task), values)


def check(cls: type[Settings], values: Mapping[str, Any]) -> Settings:
    """Build `cls`, turning pydantic's complaint into one line that names the setting."""
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"][:2])
        if problem := mapping_problem(name, first["type"], first["input"]):
            raise SettingError(problem) from None
        raise SettingError(f"setting {name} = {first['input']!r}: {first['msg']}") from None


def parse_pairs(pairs: list[str]) -> dict[str, Any]:
    """`["bidirectional=true"]` of `--set` -> `{"bidirectional": True}`, values read as YAML."""
    result: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            raise SettingError(f"--set {pair!r}: write it as key=value, for example --set hidden_size=256")
        try:
            result[key.strip()] = yaml.safe_load(text) if text.strip() else None
        except yaml.YAMLError:
            result[key.strip()] = text
        check_spaces(result[key.strip()], f"--set {pair}", f"--set '{key.strip()}={{}}'")
    return result


def read_config(path: str | Path) -> dict[str, Any]:
    """A configuration file in YAML: the groups `data`, `model`, `training`, or plain setting names."""
    path = Path(path)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingError(f"{path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingError(f"{path}: is not YAML ({str(error).splitlines()[0]})") from None
    if values is None:
        return {}
    check_spaces(values, str(path), "{}")
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise SettingError(f"{path}: wants settings by name, as in 'model: {{hidden_size: 256}}'")
    return values
