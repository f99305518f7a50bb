"""Checks of what the network does with padding and with the state between batches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from ...tasks.base import HasGeneration
from ..evidence import Evidence, NoEvidenceError
from ..examples import examples_of
from ..findings import Severity
from .base import Check, Measured

READ = 200  # examples among which the shortest and the longest are chosen
EACH = 8  # of the shortest, and of the longest


def leak_through_padding(evidence: Evidence) -> Measured:
    """The largest change of a number in a prediction, relative to 1, between an example alone and one in a batch."""
    run = evidence.run
    if isinstance(run.task, HasGeneration):
        raise NoEvidenceError(f"predictions of {run.task.name} have no padding")
    examples = list(islice(examples_of(run, evidence.file)[0], READ))
    if len(examples) < 2:
        raise NoEvidenceError("the data have fewer than two examples to predict")
    examples.sort(key=_size)
    examples = examples if len(examples) <= 2 * EACH else [*examples[:EACH], *examples[-EACH:]]
    together = run.predict(examples)
    alone = [run.predict([example])[0] for example in examples]
    changes = [_change(one, other) for one, other in zip(alone, together, strict=True)]
    worst = max(changes)
    return Measured(worst, {"change": f"{worst:.2g}", "count": f"{len(examples)}"})


def state_never_carried(evidence: Evidence) -> Measured:
    """1 where a text is read in pieces that begin with the initial state, 0 where the state is passed on."""
    run = evidence.run
    if not isinstance(run.task, HasGeneration):
        raise NoEvidenceError("the examples of this task are independent")
    batching = getattr(run.settings.data, "batching", None)
    if batching == "aligned":
        raise NoEvidenceError("the texts are independent: with batching=aligned each begins with the initial state")
    length = getattr(run.settings.data, "bptt_length", None)
    facts = {"remedy": "task" if batching is None else "batching", "length": str(length or "?")}
    return Measured(float(evidence.carried is None), facts)


def _size(example: Any) -> int:
    """Return the length of an example as text; arrays count their elements."""
    return len(json.dumps(example, default=lambda value: getattr(value, "size", 0) * "0", ensure_ascii=False))


def _change(one: Any, other: Any) -> float:
    pairs = zip(_numbers(one), _numbers(other), strict=False)
    return max((abs(a - b) / max(1.0, abs(a)) for a, b in pairs), default=0.0)


def _numbers(value: Any) -> Iterator[float]:
    """All numbers in a prediction, in the order of the keys."""
    if isinstance(value, dict):
        value = [value[key] for key in sorted(value)]
    if isinstance(value, list | tuple):
        for one in value:
            yield from _numbers(one)
    elif isinstance(value, int | float):
        yield float(value)


PADDING = Check("padding", leak_through_padding, 1e-2, Severity.broken)
STATE = Check("state", state_never_carried, 1.0, Severity.serious)
