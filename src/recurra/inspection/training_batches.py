"""The loss of a run on batches of its training data, with a plain loop in place of the inspected layer."""

from __future__ import annotations

import filecmp
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import CallError, DataError, UserError
from ..nn.base import RecurrentBase
from ..nn.patch import unrolled
from ..run import Run
from ..tasks.base import Batch, Task, ignore_progress
from ..tasks.contract import own_code
from .gradients import gradient_norms, independent
from .results import Array

BATCHES = 4
WITHOUT_DATA = "record and attribution take examples of your own; jacobian, lyapunov and fixed_points need no data"


@contextmanager
def training_batches(run: Run, data: str | Path | None, count: int = BATCHES) -> Iterator[tuple[Any, list[Batch]]]:
    """Yield the task and the first batches of the training data of a run, which are read and encoded again.

    Raises DataError where the data do not exist, or give another vocabulary than that of the run.
    """
    source = run.config.get("source") or {}
    path, valid = (
        str(data or source.get("data")),
        source.get("valid") if data is None or run.was_trained_on(data) else None,
    )
    kind = type(run.task)
    with tempfile.TemporaryDirectory() as folder, own_code(kind, run.task.cell):
        dataset = kind.dataset_for(run.settings)
        try:
            dataset.prepare(path, valid, Path(folder) / "cache", ignore_progress)
        except UserError as error:
            raise DataError(f"the training data of {run.path} cannot be read: {error}. {WITHOUT_DATA}") from None
        (Path(folder) / "vocabulary").mkdir()
        dataset.save(Path(folder) / "vocabulary")
        if not _same(Path(folder) / "vocabulary", run.path / "vocabulary"):
            raise DataError(
                f"gives another vocabulary than that of {run.path}; the loss is computed on its training data, "
                f"{source.get('data')}",
                file=path,
            )
        task = kind(run.settings, dataset, run.task.cell)
        keys = list(task.sampler().epoch(0))[:count]
        yield task, [task.batch(key) for key in keys]


def gradients_of_loss(run: Run, data: Any, lengths: Any, layer: RecurrentBase) -> list[tuple[Array, Array]]:
    """Return for each batch the norms of the gradient of the loss, (R, B, T), and the lengths (B,), without dropout.

    A layer that is called several times in a batch is observed in its first call.
    """
    if lengths is not None:
        raise CallError("remove the argument lengths: model is a Run, whose examples determine the lengths")
    if data is not None and not isinstance(data, str | Path):
        raise CallError(
            "data is a list of examples; memory of a run needs the loss: pass its training data, or None for "
            "the data that config.yaml names"
        )
    with training_batches(run, data) as (task, batches):
        return gradients_on(run.network, task, batches, layer)


def gradients_on(
    network: torch.nn.Module, task: Task[Any], batches: Sequence[Batch], layer: RecurrentBase
) -> list[tuple[Array, Array]]:
    """Return the same for a network and batches that were read; see `gradients_of_loss`."""
    found = []
    with training_without_dropout(network):
        device = next(network.parameters()).device
        for batch in batches:
            with unrolled(layer, independent) as seen, torch.enable_grad(), torch.random.fork_rng():
                torch.manual_seed(0)
                loss, _ = task.loss(network, batch.to(device), None, 1.0)
            (first, ends), *_ = seen
            B, T = first.y.shape[:2]
            norms = gradient_norms(loss, first.states)
            found.append((norms, np.full(B, T) if ends is None else ends.cpu().numpy()))
    return found


@contextmanager
def training_without_dropout(network: torch.nn.Module) -> Iterator[None]:
    """Training mode, as `Task.loss` expects, with the recurrent layers and all modules without parts in evaluation mode."""
    before = [(part, part.training) for part in network.modules()]
    try:
        for part, _ in before:
            part.training = bool(list(part.children())) and not isinstance(part, RecurrentBase)
        yield
    finally:
        for part, training in before:
            part.training = training


def _same(one: Path, other: Path) -> bool:
    """Whether two folders contain the same files with the same bytes."""
    names = sorted(str(path.relative_to(one)) for path in one.rglob("*") if path.is_file())
    if names != sorted(str(path.relative_to(other)) for path in other.rglob("*") if path.is_file()):
        return False
    return not any(filecmp.cmpfiles(one, other, names, shallow=False)[1:])
