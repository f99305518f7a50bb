"""The options of `recurra train TASK` that are made from the settings of the task."""

from __future__ import annotations

import inspect
import time
import typing
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from ..errors import SettingError, near
from ..plugins import is_spec, load_task

if typing.TYPE_CHECKING:
    from ..settings import Group
    from ..tasks.base import Task

TASK, FLAGS, STARTED = "recurra.task", "recurra.flags", "recurra.started"


def find_task(spec: str) -> type[Task[Any]]:
    """The task of a name or of `file.py:Class`."""
    if is_spec(spec):
        return load_task(spec)
    from .. import tasks

    return tasks.get(spec)


def own_fields(task: type[Task[Any]]) -> dict[str, Any]:
    """The settings that not every task has: `name` -> field of pydantic."""
    from ..settings import DataSettings, ModelSettings, TrainingSettings, fields

    common: dict[str, type[Group]] = {"data": DataSettings, "model": ModelSettings, "training": TrainingSettings}
    return {
        key.partition(".")[2]: field
        for key, (group, field) in fields(task.settings_class).items()
        if key.partition(".")[2] not in common[group].model_fields
    }


class TrainCommand(TyperCommand):
    """`train`, with the options of the task that the arguments name."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Add the options of the task, and parse the arguments."""
        started = time.time()  # before torch is imported, because the import counts in --max-minutes
        task = find_task(spec) if (spec := self._task_named(args)) else None
        command = super().make_context
        if task is None:
            context = command(info_name, args, parent, **extra)
            context.meta[STARTED] = started
            return context
        before = self.params, self.epilog
        self.params = [*self.params, *_options(task)]
        if {"--help", "-h"} & set(args):  # the help shows the options of the task only, so that it fits on a screen
            self.params = [
                option for option in self.params if option not in before[0] or option.name in ("task", "data")
            ]
            self.epilog = "The options of every task: recurra train --help"
        try:
            context = command(info_name, args, parent, **extra)
        except typer.TyperException as error:
            raise _explained(error, task) from None
        finally:
            self.params, self.epilog = before
        flags = {name: context.params.pop(name) for name in own_fields(task)}
        context.meta[TASK], context.meta[STARTED] = task, started
        context.meta[FLAGS] = {name: _typed(task, name, value) for name, value in flags.items() if value is not None}
        return context

    def _task_named(self, args: list[str]) -> str | None:
        """The first argument that is neither an option nor the value of an option."""
        options = [option for option in self.params if isinstance(option, TyperOption)]
        takes_value = {name: not option.is_flag for option in options for name in option.opts}
        rest = iter(args)
        for arg in rest:
            if not arg.startswith("-"):
                return arg
            if "=" not in arg and takes_value.get(arg, False):
                next(rest, None)
        return None


def _options(task: type[Task[Any]]) -> list[Any]:
    """Options for the settings of a task. typer makes them from a function that has the settings as parameters."""
    from ..settings import is_advanced

    parameters = []
    for name, field in own_fields(task).items():
        option = typer.Option(
            *_option_names(name, field.annotation),
            metavar=_metavar(field.annotation),
            help=_help(name, field),
            show_default=False,
            hidden=is_advanced(field),
            rich_help_panel=f"Options of {task.name}",
        )
        annotation: Any = Annotated[bool | None if _is_flag(field.annotation) else str | None, option]
        parameters.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation))

    def command(**_: Any) -> None: ...

    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    app = typer.Typer(add_completion=False)
    app.command()(command)
    made = typer.main.get_command(app)
    assert not isinstance(made, TyperGroup)
    return [option for option in made.params if option.name in own_fields(task)]


def _option_names(name: str, annotation: Any) -> list[str]:
    dashed = name.replace("_", "-")
    return [f"--{dashed}/--no-{dashed}"] if _is_flag(annotation) else [f"--{dashed}"]


def _kinds(annotation: Any) -> list[Any]:
    """The types of a setting without None: `int | None` -> [int]. A Literal is one type."""
    if typing.get_origin(annotation) is None:
        return [annotation]
    if typing.get_origin(annotation) is typing.Literal:
        return [annotation]
    if args := [arg for arg in typing.get_args(annotation) if arg is not type(None)]:
        return args
    return [annotation]


def _is_flag(annotation: Any) -> bool:
    return _kinds(annotation) == [bool]


def _metavar(annotation: Any) -> str:
    if _is_flag(annotation):
        return ""
    return {int: "N", float: "X", str: "TEXT"}.get(_kinds(annotation)[0], "WORD")


def _help(name: str, field: Any) -> str:
    """Return the description of the setting, its choices, and its default unless it is open."""
    words = [value for kind in _kinds(field.annotation) for value in typing.get_args(kind) if isinstance(value, str)]
    choices = f": {', '.join(words)}" if words else ""
    default = "" if field.default is None or _is_flag(field.annotation) else f" ({field.default})"
    if _is_flag(field.annotation) and field.default is not None:
        default = " (yes)" if field.default else " (no)"
    description = (field.description or name).rstrip(".")
    return f"{description}{choices}{default}"


def _typed(task: type[Task[Any]], name: str, value: Any) -> Any:
    """The value of an option. It remains text if the setting is text (a column named `1`); otherwise it is read as YAML."""
    if isinstance(value, bool):
        return value
    import yaml

    for kind in _kinds(own_fields(task)[name].annotation):
        if kind is str or (typing.get_origin(kind) is typing.Literal and value in typing.get_args(kind)):
            return value
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:
        return value


def _explained(error: Exception, task: type[Task[Any]]) -> Exception:
    """The error for an unknown option: names the setting of that name, or the most similar option."""
    from ..settings import fields

    option = getattr(error, "option_name", None)
    if option is None:
        return error
    name = str(option).lstrip("-").replace("-", "_")
    settings = {key.partition(".")[2] for key in fields(task.settings_class)}
    if name in settings:
        return SettingError(f"{option} is not an option of train {task.name}; write --set {name}=VALUE")
    if getattr(error, "possibilities", None):
        return error
    return SettingError(f"train {task.name} has no option {option}; {near(name, settings)}")
