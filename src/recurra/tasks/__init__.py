"""The tasks, a file each: every module of this folder but `base` is a task of the same name."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import SettingError, near

if TYPE_CHECKING:
    from .base import Task

_NOT_TASKS = {"base", "parts"}


def names() -> list[str]:
    """The tasks there are. Imports none of them."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name not in _NOT_TASKS)


def get(spec: str | type[Task], tasks: Sequence[type[Task]] = ()) -> type[Task]:
    """The task of a name, or the class itself. `tasks` are the user's own, found by the class's or the task's name."""
    if isinstance(spec, type):
        return spec
    wanted = spec.rpartition(":")[2]
    for task in tasks:
        if wanted in (task.__name__, task.name):
            return task
    if spec in names():
        module = importlib.import_module(f"{__name__}.{spec}")
        return next(
            value for value in vars(module).values() if isinstance(value, type) and getattr(value, "name", None) == spec
        )
    raise SettingError(f"there is no task {spec!r}; {near(spec, names())}")
