"""`check_task`: a task of a user's own against every invariant that the built-in tasks keep."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ..errors import CallError
from ..tasks.base import Task
from ..tasks.contract import place_of
from ..tasks.shared.row_reader import RowReader

SMALL = {"steps": 4, "batch_size": 4, "seed": 0, "num_evaluations": 1}
CLOSE = 1e-4  # of a result in float32 that was computed in another order; results are rounded when they are written


def check_task(task: type[Task[Any]], rows: Iterable[Mapping[str, Any]], **settings: Any) -> None:
    """Train a small run of `task` on `rows` and check what it promises. Raises CallError with what is wrong, and where.

    rows       examples as the lines of a JSON Lines file have them: at least 8, with every class that the task has
    settings   of the task; `steps`, `batch_size` and `seed` are small by default

    Checked: results are JSON and one for each row; a row alone gives the result it has in a batch, in any order; a loaded run
    gives the results of the trained one; the same seed gives the same weights; evaluation returns the metric of `selection`;
    where the run streams, pieces give the result of the whole.

    >>> from recurra.testing import check_task
    >>> from recurra.tasks.classify.task import Classify
    >>> rows = [{"text": f"a {word} film", "label": word} for word in ("good", "bad")] * 8
    >>> check_task(Classify, rows, hidden_size=4, ensemble_size=1)
    """
    from ..run import load
    from ..training import train

    examples = [dict(row) for row in rows]
    if len(examples) < 8:
        raise CallError(f"check_task needs at least 8 rows, got {len(examples)}")
    with tempfile.TemporaryDirectory(prefix="recurra-check-") as name:
        folder = Path(name)
        file = folder / "rows.jsonl"
        file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in examples), encoding="utf-8")
        given = {**SMALL, **settings, "cache": False}
        run = train(task, file, out=folder / "run", **given)
        results = run.predict(examples)
        where = place_of(task, "predict")
        try:
            json.dumps(results)
        except (TypeError, ValueError) as error:
            raise CallError(f"{where}: a result is not JSON: {error}") from None
        shuffled = run.predict(examples[::-1])[::-1]
        alone = [run.predict([row])[0] for row in examples[:4]]
        _same(where, "in another order", results, shuffled)
        _same(where, "alone", results[:4], alone)
        loaded = load(run.path, tasks=[task], cells=[type(run.task.cell)])
        _same(f"{place_of(type(run.task.dataset), 'load')}", "of the loaded run", results, loaded.predict(examples))
        again = train(task, file, out=folder / "again", **given)
        _same_weights(run.network, again.network, task)
        metrics = run.evaluate(file)
        if run.task.selection.metric not in metrics:
            raise CallError(f"{place_of(task, 'evaluate')}: returns no {run.task.selection.metric!r} on a file")
        if run.streams[0]:
            _check_stream(run, examples[:4], results[:4])


def _check_stream(run: Any, rows: Sequence[dict[str, Any]], results: Sequence[dict[str, Any]]) -> None:
    """Where the input is one column of text or numbers: its pieces give the result of the whole."""
    reader = getattr(run.task.dataset, "rows", None)
    if not isinstance(reader, RowReader) or not reader.columns:
        return
    for row, result in zip(rows, results, strict=True):
        value = row.get(reader.columns[reader.input.name])
        if not isinstance(value, str | list):
            continue
        with run.stream() as session:
            for at in range(0, len(value), 2):
                session.push(value[at : at + 2])
            _same(place_of(run.task, "streaming"), "of its pieces", [result], [session.result()])


def _same_weights(one: torch.nn.Module, other: torch.nn.Module, task: type[Task[Any]]) -> None:
    for (name, a), b in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        if not torch.equal(a, b):
            raise CallError(
                f"{place_of(task, 'sampler')}: two runs with the same seed differ in {name}; batches and the loss must depend "
                "on the settings, the epoch and torch's random numbers alone"
            )


def _same(where: str, how: str, expected: Sequence[Any], found: Sequence[Any]) -> None:
    for row, (a, b) in enumerate(zip(expected, found, strict=True), 1):
        if difference := _difference(a, b):
            raise CallError(f"{where}: the result of row {row} {how} differs from its result alone: {difference}")


def _difference(a: Any, b: Any) -> str | None:
    """What differs, but for rounding."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        if a.keys() != b.keys():
            return f"keys {sorted(a)} and {sorted(b)}"
        found = (_difference(a[key], b[key]) for key in a)
        return next((f"{key}: {what}" for key, what in zip(a, found, strict=True) if what), None)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple) and len(a) == len(b):
        return next((what for x, y in zip(a, b, strict=True) if (what := _difference(x, y))), None)
    if isinstance(a, float) and isinstance(b, float | int):
        return None if abs(a - b) <= CLOSE * max(1.0, abs(a), abs(b)) or (a != a and b != b) else f"{a} and {b}"
    return None if a == b else f"{a!r} and {b!r}"
