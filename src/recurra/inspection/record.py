"""`record`: the states and gates of every time step, layer and direction.

Where the state of a cell is its output (rnn, gru, mgu, ...), the backend of the layer computes all states, and then one call
of `cell.gates_of` for all time steps together gives the gates. Another cell (lstm, ...) has components that no backend
returns; a plain loop computes them, with the gates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from .. import ops
from ..nn.base import RecurrentBase
from ..nn.unroll import BLOCK_ROWS, Direction, directions_of, loop, over_layers, starting_state
from ..nn.validate import Lengths, check_lengths
from ..run import Run
from .charts import Chart, HeatMap
from .examples import ExampleCalls, rows_of
from .models import batch_first, evaluating, layer_of
from .results import Array, Result


@final
@dataclass(frozen=True, eq=False, repr=False)
class Recording(Result):
    """The result of `record`.

    Axes: B sequences, T time steps, H features of the component of the state, or of the gate. All arrays are zero in the
    padding.

    Attributes:
        states: (B, T, H), the state after each time step, by layer, direction and component, such as `l0.forward.h`.
        gates: (B, T, H), the gates of each time step, such as `l0.forward.f`; empty for a cell without gates.
        inputs: (B, T, I), the input of the first layer.
        lengths: (B,), the number of valid time steps.
        rows: (B,), for a run each example as JSON, with all columns of its table, such as the label; otherwise empty texts.
        predictions: (B,), for a run the prediction of each example as JSON; otherwise empty texts.
        parallel: (B,), for a run the number of calls of the layer that read several sequences side by side, such as those of
            beam search or of parallel decoding. They are not recorded.
    """

    states: dict[str, Array]
    gates: dict[str, Array]
    inputs: Array
    lengths: Array
    rows: Array
    predictions: Array
    parallel: Array

    def charts(self) -> list[Chart]:
        """The states of the first sequence."""
        steps = int(self.lengths[0]) if len(self.lengths) else 0
        return [
            HeatMap(f"state {name}, first sequence", "time step", "unit", array[0, :steps].T)
            for name, array in self.states.items()
            if len(array)
        ]


def record(model: Any, data: Any, lengths: Lengths = None, *, module: str | None = None) -> Recording:
    """Record the states and gates of every time step, layer and direction, in evaluation mode.

    Args:
        model: a Run, a layer of recurra.nn, or RNN, LSTM or GRU of torch.nn.
        data: for a layer its input, in the layout of the layer: (B, T, I), or (T, B, I) for a layer whose `batch_first` is
            False. For a Run, a list of examples as for `run.predict`, or a file.
        lengths: (B,), number of valid time steps of each sequence. Default: None, all steps are valid. Not for a Run.
        module: for a Run, the name of the recurrent layer in its network. Default: None, the first one.

    Returns:
        A `Recording`. Its arrays are (B, T, H), whichever layout the layer has.

    Raises:
        CallError: the model or the data cannot be used.

    Example:
        >>> import torch
        >>> from recurra import inspection, nn
        >>> layer = nn.Recurrent("lstm", 3, 4, num_layers=2)
        >>> recording = inspection.record(layer, torch.randn(5, 7, 3), lengths=[7, 2, 3, 7, 1])
        >>> recording.states["l1.forward.c"].shape, recording.gates["l0.forward.f"].shape
        ((5, 7, 4), (5, 7, 4))
    """
    layer = layer_of(model, module)
    if isinstance(model, Run):
        return _of_rows(layer, rows_of(model, data, lengths, layer))
    x = batch_first(layer, data)
    checked = check_lengths(lengths, x)
    states, gates = states_and_gates(layer, x, checked)
    ends = np.full(x.shape[0], x.shape[1]) if checked is None else checked.cpu().numpy()
    empty = np.full(len(x), "")
    return Recording(_arrays(states), _arrays(gates), array_of(x), ends, empty, empty, np.zeros(len(x), np.int64))


def states_and_gates(
    layer: RecurrentBase, x: Tensor, lengths: Tensor | None, state: Sequence[Tensor] = ()
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return states and gates, (B, T, H) each, by names such as `l0.forward.h`, for x (B, T, I), without gradients."""
    B, T = x.shape[:2]
    found = directions_of(layer)
    states: dict[str, Tensor] = {}
    gates: dict[str, Tensor] = {}
    valid = None if lengths is None else torch.arange(T, device=x.device)[:, None, None] < lengths[:, None]

    def run_layer(k: int, below: Tensor) -> Tensor:
        here = [(d, s) for d, s in zip(found, initial, strict=True) if d.layer == k]
        x = below.transpose(0, 1) if valid is None else torch.where(valid, below.transpose(0, 1), 0)
        if len(here[0][0].sizes) == 1:
            y = ops.execute(layer._call(k, below, lengths, [s[0] for _, s in here]), layer.backend)[0].transpose(0, 1)
            parts = [_from_outputs(d, x, h, valid, s) for (d, s), h in zip(here, y.chunk(len(here), -1), strict=True)]
        else:
            parts = [_from_loop(d, x, valid, s) for d, s in here]
            outputs = [part[0][d.cell.states[0]] for part, (d, _) in zip(parts, here, strict=True)]
            y = outputs[0] if len(outputs) == 1 else torch.cat(outputs, -1)
            y = y if valid is None else torch.where(valid, y, 0)
        for (d, _), part in zip(here, parts, strict=True):
            for target, tensors in zip((states, gates), part, strict=True):
                for name, tensor in tensors.items():
                    shown = tensor if valid is None else torch.where(valid, tensor, 0)
                    target[f"{d.name}.{name}"] = shown.transpose(0, 1)
        return y.transpose(0, 1)

    with torch.no_grad(), evaluating(layer):
        initial = starting_state(layer, B, state)
        over_layers(layer, x, lengths, run_layer)
    return states, gates


def _from_outputs(
    d: Direction, x: Tensor, h: Tensor, valid: Tensor | None, initial: Any
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return states and gates, (T, B, H) each, of a direction whose state is its output h (T, B, H), for x (T, B, I)."""
    before, gates = _previous(h, initial[0], valid, d.reverse), dict[str, Tensor]()
    size = max(1, len(x) if x.is_cuda else BLOCK_ROWS // max(x.shape[1], 1))  # a block stays in the cache of a CPU
    for begin in range(0, len(x) if d.cell.gates else 0, size):
        block = slice(begin, begin + size)
        found = d.cell.gates_of(d.cell.project(x[block], d.params), d.cell.state_type(before[block]), d.params)
        for name, gate in found.items():
            gates.setdefault(name, gate.new_empty(len(x), *gate.shape[1:]))[block] = gate
    return {d.cell.states[0]: h}, gates


def _from_loop(
    d: Direction, x: Tensor, valid: Tensor | None, initial: Any
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return states and gates, (T, B, H) each, of any direction for x (T, B, I)."""
    T = len(x)
    states = {name: part.new_empty(T, *part.shape) for name, part in zip(d.cell.states, initial, strict=True)}
    gates: dict[str, Tensor] = {}
    for t, state, of_step in loop(d, x, valid, initial):
        for out, part in zip(states.values(), state, strict=True):
            out[t] = part
        for name, gate in of_step.items():
            if name not in gates:
                gates[name] = gate.new_empty(T, *gate.shape)
            gates[name][t] = gate
    return states, gates


def _previous(h: Tensor, initial: Tensor, valid: Tensor | None, reverse: bool) -> Tensor:
    """Return the output before each step, (T, B, H), from the outputs h after it and the initial one, (B, H)."""
    if not reverse:
        return torch.cat([initial[None], h[:-1]])
    before = torch.cat([h[1:], initial[None]])
    if valid is None:
        return before
    is_last = valid & ~torch.cat([valid[1:], torch.zeros_like(valid[:1])])
    return torch.where(is_last, initial, before)


def array_of(tensor: Tensor) -> Array:
    """Return a tensor as a NumPy array; bfloat16, which NumPy does not have, as float32."""
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def _arrays(tensors: Mapping[str, Tensor]) -> dict[str, Array]:
    return {name: array_of(tensor) for name, tensor in tensors.items()}


def _of_rows(layer: RecurrentBase, rows: Sequence[ExampleCalls]) -> Recording:
    """Return the recording of the rows of a run. The calls of a row follow one another in time."""
    states, gates, inputs = list[Any](), list[Any](), list[Any]()
    for row in rows:
        pieces = [states_and_gates(layer, call.x, call.lengths, call.state) for call in row.calls]
        ends = [call.x.shape[1] if call.lengths is None else int(call.lengths[0]) for call in row.calls]
        for kept, found in ((states, [one for one, _ in pieces]), (gates, [two for _, two in pieces])):
            kept.append(
                {name: np.concatenate([array_of(one[name][0, :end]) for one, end in zip(found, ends, strict=True)])
                 for name in found[0]}
            )  # fmt: skip
        inputs.append(np.concatenate([array_of(call.x[0, :end]) for call, end in zip(row.calls, ends, strict=True)]))
    return Recording(
        states={name: _padded([one[name] for one in states]) for name in states[0]},
        gates={name: _padded([one[name] for one in gates]) for name in gates[0]},
        inputs=_padded(inputs),
        lengths=np.array([len(one) for one in inputs]),
        rows=np.array([row.text for row in rows]),
        predictions=np.array([row.prediction for row in rows]),
        parallel=np.array([row.parallel for row in rows]),
    )


def _padded(arrays: Sequence[Array]) -> Array:
    """Return arrays (T_b, F) as one, (B, T, F), with zeros in the padding."""
    padded = np.zeros((len(arrays), max(map(len, arrays)), arrays[0].shape[1]), arrays[0].dtype)
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
    return padded
