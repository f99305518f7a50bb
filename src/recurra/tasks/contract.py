"""What a task must return, checked where a task of a user's own comes in: one line that names file, line and method.

An exception inside a user's method is reported by `own_code`; a wrong return value by the `check_*` functions, which are cheap
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
    """Where a method or property is defined, as `mine.py, line 12, in Mine.decode`."""
    kind = owner if isinstance(owner, type) else type(owner)
    found = inspect.getattr_static(kind, method, None)
    function = getattr(found, "fget", None) or getattr(found, "func", None) or getattr(found, "__func__", None) or found
    code = getattr(function, "__code__", None)
    where = f"{Path(code.co_filename).name}, line {code.co_firstlineno}, in " if code is not None else ""
    return f"{where}{kind.__name__}.{method}"


def is_own(kind: type) -> bool:
    """Whether a class is of the user's own code."""
    return not kind.__module__.startswith("recurra.")


@contextmanager
def own_code(*owners: Any) -> Iterator[None]:
    """Inside, an exception from the file of one of the classes of `owners` becomes a CallError that names the place.

    The built-in tasks are not affected. KeyboardInterrupt and recurra's own exceptions pass.
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
    """The files of a class, and of its base classes, that are the user's own."""
    kind = owner if isinstance(owner, type) else type(owner)
    for cls in kind.__mro__:
        file = getattr(sys.modules.get(cls.__module__), "__file__", None)
        if is_own(cls) and cls is not object and file is not None:
            yield file


def check_class(kind: type[Task[Any]]) -> None:
    """CallError where a task class leaves out one of the names that a run shows or needs."""
    for name in ("name", "structure", "summary"):
        value = getattr(kind, name, None)
        if not isinstance(value, str) or not value:
            raise CallError(f"task {kind.__name__}: {name} is {value!r}; give it a text as class attribute")
    if not hasattr(kind, "settings_class"):
        example = "settings_class = Settings[RowData, EncoderModel, TrainingSettings]"
        raise CallError(f"task {kind.__name__}: has no settings_class; write {example}")


def check_task(task: Task[Any]) -> None:
    """CallError where the task's own __init__ has not called that of Task."""
    if not all(name in vars(task) for name in ("settings", "dataset", "cell")):
        raise CallError(f"{place_of(task, '__init__')}: does not call super().__init__(settings, dataset, cell)")


def check_batch(task: Task[Any], batch: Any) -> Batch:
    """CallError unless `Task.batch` returned a Batch of tensors."""
    where = place_of(task, "batch")
    if not isinstance(batch, Batch):
        raise CallError(f"{where}: returned {_short(batch)}; wanted a Batch")
    for name, tensor in (batch.inputs | batch.targets).items():
        if not isinstance(tensor, Tensor):
            raise CallError(f"{where}: {name} of the batch is {_short(tensor)}; wanted a tensor")
    return batch


def check_loss(task: Task[Any], loss: Any) -> Tensor:
    """CallError unless `Task.loss` returned one number."""
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        raise CallError(f"{place_of(task, 'loss')}: returned {_short(loss)} as the loss; wanted a tensor of one number")
    return loss


def check_losses(owner: Any, losses: Any, rows: int) -> Tensor:
    """CallError unless `Head.losses` returned a number for each of the rows."""
    if not isinstance(losses, Tensor) or tuple(losses.shape) != (rows,):
        raise CallError(f"{place_of(owner, 'losses')}: returned {_short(losses)}; wanted a tensor ({rows},), one a row")
    return losses


def check_outputs(owner: Any, outputs: Any) -> int:
    """CallError unless `Head.outputs` is a number of outputs."""
    if type(outputs) is not int or outputs < 1:
        raise CallError(f"{place_of(owner, 'outputs')}: is {outputs!r}; wanted an int of at least 1")
    return outputs


def check_metrics(owner: Any, method: str, metrics: Any, selection: Selection | None = None) -> dict[str, Any]:
    """The metrics as plain Python values. CallError unless they are a dict with the metric of `selection`, if given.

    Numbers of NumPy and torch become Python's, so that they can be written as JSON.
    """
    where = place_of(owner, method)
    if not isinstance(metrics, Mapping) or not all(isinstance(name, str) for name in metrics):
        raise CallError(f"{where}: returned {_short(metrics)}; wanted a dict from name to number")
    plain = {name: _plain(value) for name, value in metrics.items()}
    if selection is not None:
        value = plain.get(selection.metric)
        if not isinstance(value, int | float):
            there = near(selection.metric, [name for name, value in plain.items() if isinstance(value, int | float)])
            raise CallError(
                f"{where}: gives no number {selection.metric!r}, which selects the best weights "
                f"({place_of(owner, 'selection')}); {there}"
            )
    return plain


def check_decoded(owner: Any, method: str, results: Any, rows: int) -> list[dict[str, Any]]:
    """The results as plain Python values. CallError unless they are a list with a dict for each of the rows."""
    where = place_of(owner, method)
    if not isinstance(results, Sequence) or not all(isinstance(result, Mapping) for result in results):
        raise CallError(f"{where}: returned {_short(results)}; wanted a list of dicts, one a row")
    if len(results) != rows:
        raise CallError(f"{where}: returned {len(results)} results for {rows} rows; wanted one a row, in order")
    for result in results:
        for name, value in result.items():
            if isinstance(value, Tensor) and value.numel() != 1:
                raise CallError(f"{where}: {name!r} is {_short(value)}; wanted what JSON can hold, as value.tolist()")
    return [{str(name): _plain(value) for name, value in result.items()} for result in results]


def check_encoded(field: Any, encoded: Any, count: int) -> list[Any]:
    """CallError unless `Field.encode` returned a value for each of `count` values."""
    if not isinstance(encoded, Sequence) or len(encoded) != count:
        came = f"{len(encoded)} values" if isinstance(encoded, Sequence) else _short(encoded)
        raise CallError(f"{place_of(field, 'encode')}: returned {came} for {count} rows; wanted a list with one a row")
    return list(encoded)


def _plain(value: Any) -> Any:
    """Numbers of NumPy and torch as Python's, also inside lists and dicts."""
    if isinstance(value, np.generic) or (isinstance(value, Tensor) and value.numel() == 1):
        return value.item()
    if isinstance(value, np.ndarray | torch.Tensor):
        return value.tolist()
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _short(value: Any) -> str:
    """What came, in a few words: a tensor by its shape, the rest by its type."""
    return f"a tensor {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
