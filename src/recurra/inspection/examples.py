"""The data of a run: examples are predicted one at a time, and the calls of the inspected layer are kept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..data.sources.sources import is_table, open_source
from ..errors import CallError, DataError
from ..nn import State
from ..nn.base import RecurrentBase
from ..run import Run


class LayerCall(NamedTuple):
    """A call of a layer: x (B, T, I), lengths (B,) or None, and the initial state in the order of the layer, or ()."""

    x: Tensor
    lengths: Tensor | None
    state: Sequence[Tensor]


class ExampleCalls(NamedTuple):
    """One example of a run.

    Attributes:
        calls: the calls of the layer for this example alone, in order.
        parallel: number of calls that read several sequences side by side, which are not among `calls`.
        text: the example as JSON, with all columns of its table; empty where it is not JSON.
        prediction: the prediction as JSON.
    """

    calls: list[LayerCall]
    parallel: int
    text: str
    prediction: str


def examples_of(run: Run, data: Any) -> tuple[list[Any], list[str]]:
    """Return the examples of a file, or those of a list, and their texts."""
    if not isinstance(data, str | Path):
        examples = list(data)
        return examples, [_json(example) for example in examples]
    file = Path(data)
    if not file.exists():
        raise DataError("no such file", file=file)
    found = run.task.dataset.inputs(str(file))
    if found is None:
        lines = file.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        examples = [run.task.dataset.parse_line(line) for line in lines]
    else:
        examples = list(found)
    texts = [_json(example) for example in examples]
    if is_table(str(file)):
        rows = [_json(row.values) for row in open_source(str(file)).rows()]
        texts = rows if len(rows) == len(examples) else texts
    return examples, texts


def rows_of(run: Run, data: Any, lengths: Any, layer: RecurrentBase) -> list[ExampleCalls]:
    """Return the calls of `layer` for each example of a file or of a list."""
    if lengths is not None:
        raise CallError("remove the argument lengths: model is a Run, whose examples determine the lengths")
    if data is None:
        raise CallError("data is None; expected a list of examples, or a file, for this run")
    examples, texts = examples_of(run, data)
    if not examples:
        raise CallError("data has no examples")
    rows = []
    for n, (example, text) in enumerate(zip(examples, texts, strict=True)):
        with calls_of(layer) as calls:
            (prediction,) = run.predict([example])
        alone = [call for call in calls if len(call.x) == 1 and call.x.shape[1]]
        if not alone:
            raise CallError(
                f"example {n + 1}: the layer is called {len(calls)} times, never for this sequence alone; "
                "with beam search, set beam_size=1"
            )
        rows.append(ExampleCalls(alone, len(calls) - len(alone), text, _json(prediction)))
    return rows


@contextmanager
def calls_of(layer: RecurrentBase) -> Iterator[list[LayerCall]]:
    """Inside the block, every call of a layer is appended to the list."""
    calls: list[LayerCall] = []

    def keep(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        state = kwargs.get("state", args[1] if len(args) > 1 else None)
        if kwargs.get("reset") is not None:
            raise CallError("the layer is called with reset, which inspection of a run does not support")
        flat = list(state.tensors().values()) if isinstance(state, State) else []
        lengths = kwargs.get("lengths")
        lengths = None if lengths is None else torch.as_tensor(lengths).to(args[0].device)
        calls.append(LayerCall(args[0], lengths, flat))

    handle = layer.register_forward_pre_hook(keep, with_kwargs=True)
    try:
        yield calls
    finally:
        handle.remove()


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return ""
