"""The settings, the cell and the task that the user has given, in all forms that `train` takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import cells as known_cells
from .. import tasks as known_tasks
from ..cells import Cell
from ..config import read_config
from ..errors import SettingError
from ..settings import DEFAULT_CELL, Settings, as_given, full_name, settings_from
from ..tasks.base import Task

AnyTask = type[Task[Any]]
LENGTH_SETTINGS = {"training.max_minutes", "training.steps", "training.epochs"}
SOURCE = ("task", "source", "code", "parent", "find_lr")  # keys of config.yaml that say what was trained, and from what
RECORD = ("format", "recurra", *SOURCE, "resolved")  # keys of config.yaml that are not settings


def named_options(
    seed: int | None, max_minutes: float | None, device: str | None, precision: str | None, devices: int | None
) -> dict[str, Any]:
    """The settings of the named arguments of `train` that were given."""
    named = {"seed": seed, "max_minutes": max_minutes, "device": device, "precision": precision, "devices": devices}
    return {f"training.{name}": value for name, value in named.items() if value is not None}


def given_settings(
    kind: AnyTask, config: str | Path | Mapping[str, Any] | None, settings: dict[str, Any]
) -> Settings[Any, Any, Any]:
    """The settings that the user wrote. config.yaml of a run is a valid configuration; its record is ignored."""
    cls = as_given(kind.settings_class)
    file = {} if config is None else dict(config) if isinstance(config, Mapping) else read_config(config)
    if {full_name(cls, key) for key, value in settings.items() if value is not None} & LENGTH_SETTINGS:
        settings.setdefault(
            "training.step_schedule", None
        )  # another length than that of the run whose config.yaml is given
    return settings_from(cls, {key: value for key, value in file.items() if key not in RECORD}, settings)


def cell_of(settings: Settings[Any, Any, Any], own: Cell | type[Cell] | None) -> Cell:
    """The cell of the settings, or the custom cell."""
    name, options = settings.model.cell or DEFAULT_CELL, settings.model.cell_options
    if isinstance(own, Cell):
        return known_cells.get(own)
    if own is None and ":" in name:
        raise SettingError(f"the cell {name} is custom code; pass it: --cell {name}")
    return known_cells.get(own or name, **options)


def cell_name(cell: Cell | type[Cell], spec: str | None) -> str:
    """Return the name of a cell in config.yaml: that of a built-in one, `spec`, or `module:Class`."""
    if spec:
        return spec
    kind = type(known_cells.get(cell))
    known = kind.name in known_cells.names() and type(known_cells.get(kind.name)) is kind  # not another of its name
    return kind.name if known else f"{kind.__module__}:{kind.__qualname__}"


def task_name(kind: AnyTask, spec: str | AnyTask) -> str:
    """Return the name of a task in config.yaml: that of a built-in one, `spec`, or `module:Class`."""
    if isinstance(spec, str):
        return spec
    known = kind.name in known_tasks.names() and known_tasks.get(kind.name) is kind  # not another of its name
    return kind.name if known else f"{kind.__module__}:{kind.__qualname__}"
