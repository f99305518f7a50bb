"""Import of a custom task or cell, `file.py:Class` or `package.module:Class`, that the user named.

No other part of recurra imports code by name. A name that is read from a file is never imported.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import sysconfig
import traceback
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import SettingError, near

if TYPE_CHECKING:
    from .cells import Cell
    from .tasks.base import Task

_T = TypeVar("_T", bound=type)


def is_spec(text: str) -> bool:
    """Whether `text` names a class in custom code and not a registered name."""
    return ":" in text or text.endswith(".py")


def source_of(spec: str) -> str:
    """The file or module of `file.py:Class` or `package.module:Class`: the argument of `--import`."""
    return spec.rpartition(":")[0]


def load_object(spec: str) -> type:
    """The class that `file.py:Class` or `package.module:Class` names.

    Raises SettingError if there is no such file, module or class, or if the import raised an exception.
    """
    source, _, name = spec.rpartition(":")
    if not source or not name:
        as_in = f"{spec}:Class" if spec.endswith(".py") else "file.py:Class or package.module:Class"
        raise SettingError(f"{spec!r} names no class; expected the form {as_in}")
    module = import_source(source)
    found = getattr(module, name, None)
    if found is None:
        raise SettingError(f"{source} has no {name!r}; {near(name, [cls.__name__ for cls in _own_classes(module)])}")
    if not isinstance(found, type):
        raise SettingError(f"{spec}: {name} is a {type(found).__name__}, not a class")
    return found


def load_task(spec: str) -> type[Task[Any]]:
    """The Task that `spec` names. Raises SettingError if it is not a Task or does not define all methods."""
    from .tasks.base import Task

    found = load_object(spec)
    if not issubclass(found, Task):
        raise SettingError(f"{spec}: {found.__name__} is not a Task (a subclass of recurra.tasks.base.Task)")
    return _complete(found, spec)


def load_cell(spec: str) -> type[Cell]:
    """The Cell that `spec` names. Raises SettingError if it is not a Cell or does not define all methods."""
    from .cells import Cell

    found = load_object(spec)
    if not issubclass(found, Cell):
        raise SettingError(f"{spec}: {found.__name__} is not a Cell (a subclass of recurra.cells.Cell)")
    return _complete(found, spec)


def load_module_classes(source: str) -> tuple[list[type[Cell]], list[type[Task[Any]]]]:
    """The cells and tasks that a file or module of `--import` defines. Raises SettingError if there are none."""
    from .cells import Cell
    from .tasks.base import Task

    own = [cls for cls in _own_classes(import_source(source)) if not inspect.isabstract(cls)]
    cells: list[type[Cell]] = [cls for cls in own if issubclass(cls, Cell)]
    tasks: list[type[Task[Any]]] = [cls for cls in own if issubclass(cls, Task)]
    if not cells and not tasks:
        raise SettingError(f"--import {source}: the file or module defines no Cell and no Task")
    return cells, tasks


def import_source(source: str) -> ModuleType:
    """Import a file or a module. A file may import files of its folder; modules are also found in the current folder."""
    if source.endswith(".py") or "/" in source or "\\" in source:
        return _import_file(Path(source))
    with_here = [str(Path.cwd()), *sys.path]
    before, sys.path[:] = list(sys.path), with_here
    try:
        return importlib.import_module(source)
    except ModuleNotFoundError as error:
        if error.name and (source == error.name or source.startswith(error.name + ".")):
            expected = source.partition(":")[0] if ".py:" in source else f"{source}.py"
            raise SettingError(
                f"no module {source!r} in this folder or installed; for a file, write {expected}"
            ) from None
        raise _import_failure(source, error) from error
    except Exception as error:
        raise _import_failure(source, error) from error
    finally:
        sys.path[:] = before


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise SettingError(f"{path}: there is no such file")
    path = path.resolve()
    # A file is imported once; two files with one name become two modules. dataclasses and pydantic find a module by name.
    name = f"{path.stem}_{sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise SettingError(f"{path} is not a Python file; expected a name that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, Exception):
            raise _import_failure(str(path), error) from error
        raise
    finally:
        sys.path.remove(str(path.parent))
    return module


def _import_failure(source: str, error: Exception) -> SettingError:
    """The last line of the exception, and the innermost place in custom code that raised it."""
    if isinstance(error, SyntaxError):
        place = f"{error.filename}:{error.lineno}"
    else:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
        libraries = (*sysconfig.get_paths().values(), __file__)
        own = [frame for frame in frames if not frame.filename.startswith(libraries)]
        place = f"{own[-1].filename}:{own[-1].lineno}" if own else source
    return SettingError(f"importing {source} failed at {place}\n{traceback.format_exception_only(error)[-1].strip()}")


def _own_classes(module: ModuleType) -> list[type]:
    return [cls for cls in vars(module).values() if isinstance(cls, type) and cls.__module__ == module.__name__]


def _complete(cls: _T, spec: str) -> _T:
    if missing := sorted(getattr(cls, "__abstractmethods__", ())):
        raise SettingError(f"{spec}: {cls.__name__} does not define {', '.join(missing)}")
    return cls
