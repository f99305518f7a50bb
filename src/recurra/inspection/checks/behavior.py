"""Checks of what the network does with padding and with the state between batches."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from ...nn.base import RecurrentBase
from ...tasks.base import HasGeneration
from ..evidence import Evidence, NoEvidenceError
from ..examples import examples_of
from ..findings import Finding, Severity
from .base import Check

EXAMPLES = 16
LEAK = 1e-2  # the change of a number between a prediction alone and one in a batch, relative to 1; rounding stays below 1e-3


def leak_through_padding(evidence: Evidence) -> Finding | None:
    """A prediction depends on the other examples of its batch."""
    run = evidence.run
    if isinstance(run.task, HasGeneration):
        raise NoEvidenceError(f"predictions of {run.task.name} have no padding")
    source = evidence.source
    if source is None or not Path(source).exists():
        raise NoEvidenceError("the file of the training data is needed for predictions")
    examples = list(islice(examples_of(run, source)[0], EXAMPLES))
    if len(examples) < 2:
        raise NoEvidenceError("the data have fewer than two examples to predict")
    together = run.predict(examples)
    alone = [run.predict([example])[0] for example in examples]
    changes = [
        max((abs(a - b) / max(1.0, abs(a)) for a, b in zip(_numbers(one), _numbers(other), strict=False)), default=0.0)
        for one, other in zip(alone, together, strict=True)
    ]
    worst = max(changes)
    if worst < LEAK:
        return None
    return Finding(
        "leak through padding",
        f"the prediction of example {changes.index(worst) + 1} changes by {worst:.2g} when it is predicted in a batch",
        "The network reads the padding of shorter sequences, so that a prediction depends on its neighbors.",
        "pass lengths to the recurrent layer and to the pooling; until then --set batch_size=1",
        Severity.broken,
    )


def state_never_carried(evidence: Evidence) -> Finding | None:
    """A text is read in pieces, and each begins with the initial state."""
    run = evidence.run
    if not isinstance(run.task, HasGeneration):
        raise NoEvidenceError("the examples of this task are independent")
    batching = getattr(run.settings.data, "batching", None)
    if batching == "aligned":
        raise NoEvidenceError("the texts are independent: with batching=aligned each begins with the initial state")
    if evidence.carried is not None:
        return None
    layers = [part for part in run.network.modules() if isinstance(part, RecurrentBase)]
    return Finding(
        "state never carried",
        "the loss of a batch returns no state for the next one",
        f"Each piece of the text begins with the initial state of {len(layers)} recurrent layers, without what came before.",
        "return the detached state from Task.loss, and use the one that it receives"
        if batching is None
        else "--set batching=sequential",
        Severity.serious,
    )


def _numbers(value: Any) -> Iterator[float]:
    """All numbers in a prediction, in order."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for one in value:
            yield from _numbers(one)
    elif isinstance(value, int | float):
        yield float(value)


PADDING = Check("leak through padding", leak_through_padding)
STATE = Check("state never carried", state_never_carried)
