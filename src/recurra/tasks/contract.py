"""Checks of custom tasks: each mistake becomes an error of one line that names the file, the line and the method.

`own_code` reports exceptions inside methods of the user; the `check_*` functions report wrong return values. They are cheap
enough to run for every task.
"""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import CallError, RecurraError, near
from .base import Batch, Selection, Task


def place_of(owner: Any, method: str) -> str:
    """Return where a method or property is defined, such as `mine.py, line 12, in Mine.decode`."""
    cls = owner if isinstance(owner, type) else type(owner)
    member = inspect.getattr_static(cls, method, None)
    wrapped = (getattr(member, name, None) for name in ("fget", "func", "__func__"))  # of properties and class methods
    function = next((function for function in wrapped if function), member)
    code = getattr(function, "__code__", None)
    where = f"{Path(code.co_filename).name}, line {code.co_firstlineno}, in " if code is not None else ""
    return f"{where}{cls.__name__}.{method}"


def is_user_class(cls: type) -> bool:
    """Return whether a class is defined by the user and not by recurra."""
    return not cls.__module__.startswith("recurra.")


@contextmanager
def own_code(*owners: Any) -> Iterator[None]:
    """Convert exceptions from the files of the classes of `owners` to a CallError that names the file, the line and the method.

    The built-in tasks are not affected. KeyboardInterrupt and exceptions of recurra are not converted.
    """
    try:
        yield
    except RecurraError:
        raise
    except Exception as error:
        files = {file for owner in owners for file in _files_of(owner)}
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in files]
        if not frames:
            raise
        message = (str(error).strip().splitlines() or [""])[0]
        where = f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}, in {frames[-1].name}"
        raise CallError(f"{type(error).__name__} at {where}: {message}") from error


def _files_of(owner: Any) -> Iterator[str]:
    """The files of a class and of its base classes that belong to the user."""
    cls = owner if isinstance(owner, type) else type(owner)
    for base in cls.__mro__:
        file = getattr(sys.modules.get(base.__module__), "__file__", None)
        if is_user_class(base) and base is not object and file is not None:
            yield file


def check_class(cls: type[Task[Any]]) -> None:
    """Raise CallError where a task class lacks `name`, `structure`, `summary` or `settings_class`."""
    for name in ("name", "structure", "summary"):
        value = getattr(cls, name, None)
        if not isinstance(value, str) or not value:
            raise CallError(f"task {cls.__name__}: {name} is {value!r}; set it to a string as a class attribute")
    if not hasattr(cls, "settings_class"):
        example = "settings_class = Settings[RowData, EncoderModel, TrainingSettings]"
        raise CallError(f"task {cls.__name__}: has no settings_class; add {example}")


def check_task(task: Task[Any]) -> None:
    """Raise CallError where the `__init__` of a task has not called that of `Task`."""
    if not all(name in vars(task) for name in ("settings", "dataset", "cell")):
        raise CallError(f"{place_of(task, '__init__')}: does not call super().__init__(settings, dataset, cell)")


def check_batch(task: Task[Any], batch: Any) -> Batch:
    """Return the batch. Raises CallError unless `Task.batch` returned a `Batch` of tensors."""
    where = place_of(task, "batch")
    if not isinstance(batch, Batch):
        raise CallError(f"{where}: returned {_short(batch)}; expected a Batch")
    for name, tensor in (batch.inputs | batch.targets).items():
        if not isinstance(tensor, Tensor):
            raise CallError(f"{where}: {name} of the batch is {_short(tensor)}; expected a tensor")
    return batch


def check_loss(task: Task[Any], loss: Any) -> Tensor:
    """Return the loss. Raises CallError unless `Task.loss` returned a scalar tensor."""
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        raise CallError(f"{place_of(task, 'loss')}: returned {_short(loss)} as the loss; expected a scalar tensor")
    return loss


def check_losses(owner: Any, losses: Any, rows: int) -> Tensor:
    """Return the losses. Raises CallError unless `Head.losses` returned one number for each example."""
    if not isinstance(losses, Tensor) or tuple(losses.shape) != (rows,):
        raise CallError(
            f"{place_of(owner, 'losses')}: returned {_short(losses)}; expected a tensor of shape ({rows},), one loss per row"
        )
    return losses


def check_outputs(owner: Any, outputs: Any) -> int:
    """Return the number of outputs. Raises CallError unless `Head.outputs` is a positive int."""
    if type(outputs) is not int or outputs < 1:
        raise CallError(f"{place_of(owner, 'outputs')}: is {outputs!r}; expected a positive int")
    return outputs


def check_metrics(owner: Any, method: str, metrics: Any, selection: Selection | None = None) -> dict[str, Any]:
    """Return the metrics as Python values that JSON can represent; scalars of NumPy and torch are converted.

    Raises:
        CallError: the metrics are not a dict, or lack the metric of `selection`.
    """
    where = place_of(owner, method)
    if not isinstance(metrics, Mapping) or not all(isinstance(name, str) for name in metrics):
        raise CallError(f"{where}: returned {_short(metrics)}; expected a dict from name to number")
    plain = {name: _plain(value) for name, value in metrics.items()}
    if selection is not None:
        value = plain.get(selection.metric)
        if not isinstance(value, int | float):
            existing = near(selection.metric, [name for name, value in plain.items() if isinstance(value, int | float)])
            raise CallError(
                f"{where} did not return a number for the metric {selection.metric!r}, which selects the best weights "
                f"({place_of(owner, 'selection')}); {existing}"
            )
    return plain


def check_decoded(owner: Any, method: str, results: Any, rows: int) -> list[dict[str, Any]]:
    """Return the results as Python values. Raises CallError unless they are a list with one dict for each example."""
    where = place_of(owner, method)
    if not isinstance(results, Sequence) or not all(isinstance(result, Mapping) for result in results):
        raise CallError(f"{where}: returned {_short(results)}; expected a list of dicts, one per row")
    if len(results) != rows:
        raise CallError(f"{where}: returned {len(results)} results for {rows} rows; expected one per row, in order")
    for result in results:
        for name, value in result.items():
            if isinstance(value, Tensor) and value.numel() != 1:
                raise CallError(
                    f"{where}: {name!r} is {_short(value)}, which JSON cannot represent; use value.tolist()"
                )
    return [{str(name): _plain(value) for name, value in result.items()} for result in results]


def check_encoded(field: Any, encoded: Any, count: int) -> list[Any]:
    """Return the encoded values. Raises CallError unless `Field.encode` returned one for each of `count` values."""
    if not isinstance(encoded, Sequence) or len(encoded) != count:
        returned = f"{len(encoded)} values" if isinstance(encoded, Sequence) else _short(encoded)
        raise CallError(
            f"{place_of(field, 'encode')}: returned {returned} for {count} rows; expected a list with one value per row"
        )
    return list(encoded)


def _plain(value: Any) -> Any:
    """Convert scalars and arrays of NumPy and torch to Python values, also inside lists and dicts."""
    if isinstance(value, np.generic) or (isinstance(value, Tensor) and value.numel() == 1):
        return value.item()
    if isinstance(value, np.ndarray | torch.Tensor):
        return value.tolist()
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _short(value: Any) -> str:
    """Describe a value in an error message: a tensor by its shape, anything else by its type."""
    return f"a tensor {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
