"""Reading a run folder: config.yaml is checked, and the task is assembled from it."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from . import cells as known_cells
from . import tasks as known_tasks
from .data.sources.inspect.facts import FileFacts
from .errors import RunError, UserError
from .files import FORMAT, read_yaml
from .provenance import warn_if_changed
from .settings import GROUPS, Settings, as_given, as_resolved, earlier_value, fields, is_required, settings_from
from .tasks.base import Dataset, Task
from .tasks.contract import own_code

if TYPE_CHECKING:
    from .cells import Cell

K = TypeVar("K", bound=type)


def load_vocabulary(dataset: Dataset, path: Path, config: Mapping[str, Any], changed: Collection[str] = ()) -> None:
    """Load what the dataset of a run saved in its folder, and the facts of the training file.

    config    the content of config.yaml
    changed   names of the settings of the data that were changed for this use; they take precedence over the facts

    Raises RunError when something is missing or damaged.
    """
    try:
        if dataset.reading is not None and (facts := config["resolved"].get("file")) is not None:
            dataset.reading.begin_use(FileFacts.from_config(Path(str(config["source"]["data"])), facts), changed)
        dataset.load(path / "vocabulary")
    except (KeyError, TypeError, ValueError, AttributeError) as error:  # JSON, but not what was saved
        raise RunError(f"{path}/vocabulary is damaged: {type(error).__name__}: {error}") from None


def open_task(
    path: Path, *, cells: Sequence[type[Cell]] = (), tasks: Sequence[type[Task[Any]]] = ()
) -> tuple[dict[str, Any], Task[Any]]:
    """Read and check config.yaml of a run. Returns its content and the task, without its vocabulary.

    Raises RunError when the folder is missing or damaged, has another format, or needs a custom class that was not passed.
    """
    config = _read_config(path)
    name = str(config.get("task"))
    try:
        kind = _custom(name, "task", tasks, path) if ":" in name else known_tasks.get(name)
        settings = _settings(kind, config, path)
        spec = settings.model.cell
        cell = known_cells.get(
            _custom(spec, "cell", cells, path) if ":" in spec else spec, **settings.model.cell_options
        )
    except RunError:
        raise
    except UserError as error:
        raise RunError(f"{path}/config.yaml: {error}") from None
    warn_if_changed(path, config.get("code"), task=kind, cell=type(cell))
    with own_code(kind, cell):
        return config, kind(settings, kind.dataset_for(settings), cell)


def _read_config(path: Path) -> dict[str, Any]:
    if not path.is_dir():
        raise RunError(f"{path} does not exist; expected a run folder")
    if not (path / "config.yaml").exists():
        raise RunError(f"{path} is not a run folder: it contains no config.yaml")
    config = read_yaml(path / "config.yaml")
    if not isinstance(config, dict) or not isinstance(config.get("format"), int):
        raise RunError(f"{path}/config.yaml is damaged: the key 'format' is missing")
    if config["format"] > FORMAT:
        raise RunError(
            f"{path}: run format {config['format']} is newer than this version of recurra reads ({FORMAT}); update recurra"
        )
    if config["format"] < FORMAT:
        raise RunError(
            f"{path}: run format {config['format']} is too old; this version reads format {FORMAT}. Train the model again"
        )
    if not isinstance(config.get("resolved"), dict):  # written last: settings before it may be lost as well
        raise RunError(f"{path}/config.yaml is damaged: the key 'resolved' is missing")
    return config


def _settings(kind: type[Task[Any]], config: dict[str, Any], path: Path) -> Settings[Any, Any, Any]:
    """The settings of a run. Training has resolved all open settings."""
    found = {group: config.get(group) or {} for group in GROUPS}
    for key, (_, field) in fields(kind.settings_class).items():
        group, _, name = key.partition(".")
        if (earlier := earlier_value(field)) is not None and isinstance(found[group], dict):
            found[group] = {name: earlier} | found[group]
    given = settings_from(as_given(kind.settings_class), found)  # raises for a setting that does not exist
    required = [name for name, (_, field) in fields(kind.settings_class).items() if is_required(field)]
    values = given.model_dump()
    missing = [name for name in required if values[name.partition(".")[0]][name.partition(".")[2]] is None]
    if missing:
        raise RunError(f"{path}/config.yaml is damaged: it lacks the settings {', '.join(missing)}")
    return settings_from(as_resolved(kind.settings_class), found)


def _custom(spec: str, role: str, classes: Sequence[K], path: Path) -> K:
    """The custom class of `spec`, `file.py:Class` or `module:Class`, among those that the caller passed.

    Among several classes of that name, the one from the file or module of `spec` is taken.
    """
    source, _, name = spec.rpartition(":")
    found = list(dict.fromkeys(one for one in classes if name in (one.__name__, one.__qualname__)))
    if len(found) > 1:
        found = [one for one in found if _is_from(one, source)] or found
    if len(found) == 1:
        return found[0]
    if found:
        raise RunError(
            f"{path}: several classes named {name} were passed, and none is from {source}; pass only that one"
        )
    raise RunError(
        f"{path} was trained with the custom {role} {spec}. If you trust this code, open the run with --import {source} "
        f"(in Python: load(path, {role}s=[{name}]))"
    )


def _is_from(kind: type, source: str) -> bool:
    """Whether a class was defined in a file or module."""
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    same_file = file is not None and Path(source).exists() and Path(file).resolve() == Path(source).resolve()
    return kind.__module__ == source or same_file
