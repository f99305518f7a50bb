"""The backend `torch`: torch's own fused kernels (oneDNN or native on the CPU, cuDNN on CUDA), which do not support lengths.

Variable-length sequences: the padding of x is set to zero, and x gets one more channel, which is 1 at padding. Its weights are
constants that saturate the gates, so that a padding step leaves the state unchanged and passes no gradient:

    LSTM   i -1e4, f +1e4, o -1e4: c' = c and h' = 0, exactly
    GRU    z +1e4: h' = h
    relu   n -1e30: h' = 0, so that nothing can grow along the padding, however large h is
    tanh   needs no channel, because it is bounded

h of the last valid step is gathered from y. In the reverse direction the padding comes first, so h must survive it. It does in
LSTM and GRU when the initial state is zero. With any other initial state, and for the RNN, each sequence is reversed by its own
length, run forward, and reversed back.

On the CPU a padding step costs as much as a valid one. There the time axis is divided into segments, and each segment runs only
the sequences that have not ended; the state is passed on. There are no segments where they would save little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import _VF, Tensor
from torch.nn.functional import pad

from ..cells import GRU, LSTM, RNN, Cell
from ..cells.lstmp import LSTMP
from .call import Backend, Call, padded_steps, record_run
from .eligibility import jit_tracing, ordinary_reason, traced
from .variable_length import last_valid, like, reversal_index, reverse_sequences, segments, valid_mask

_SATURATED = 1e4  # sigmoid(-1e4) is 0 and sigmoid(1e4) is 1 in every dtype, and float16 can represent it
_SATURATED_RELU = 1e30  # the h of a relu is unbounded; 1e4 where the kernel may compute in float16


# Whether oneDNN has kernels in these dtypes on this processor. Asked at import, because a compiled graph cannot ask.
_ONEDNN_RUNS: dict[torch.dtype, bool] = (
    {
        torch.bfloat16: torch.ops.mkldnn._is_mkldnn_bf16_supported(),
        torch.float16: torch.ops.mkldnn._is_mkldnn_fp16_supported(),
    }
    if torch._C._has_mkldnn
    else {}
)


class _Kernel(NamedTuple):
    """The kernel of a cell: the function, and the weights of the padding channel, one for each gate, or None."""

    function: Callable[..., Any]
    padding_weights: tuple[float, ...] | None


_LSTM = _Kernel(_VF.lstm, (-_SATURATED, _SATURATED, 0.0, -_SATURATED))
_KERNELS: dict[type[Cell], _Kernel] = {
    RNN: _Kernel(_VF.rnn_tanh, None),
    LSTM: _LSTM,
    LSTMP: _LSTM,
    GRU: _Kernel(_VF.gru, (0.0, _SATURATED, 0.0)),
}


def _kernel_of(cell: Cell) -> _Kernel:
    if isinstance(cell, RNN) and cell.nonlinearity == "relu":
        return _Kernel(_VF.rnn_relu, (-_SATURATED_RELU,))
    return _KERNELS[type(cell)]


def run(call: Call) -> list[Tensor]:
    """See `Backend.run`."""
    record_run("torch")
    lengths = call.lengths
    if lengths is None:  # the kernels exchange the axes themselves, so that y is no view
        x = call.x.transpose(0, 1) if call.time_first else call.x
        y, state = _kernel(call, x, call.weights, batch_first=not call.time_first)
        return [y, *state]
    x = call.x.transpose(0, 1)  # (T, B, I): what the kernels work in
    order, time_segments = _time_segments(call)
    if not call.bidirectional:
        y, state = _run_forward(call, x, lengths, order, time_segments)
    elif time_segments or call.state or isinstance(call.cell, RNN):
        index = reversal_index(lengths, x.shape[0])
        y, state = _run_forward(call.one_direction(0), x, lengths, order, time_segments)
        y_back, state_back = _run_forward(
            call.one_direction(1), reverse_sequences(x, index), lengths, order, time_segments
        )
        y, state = torch.cat([y, reverse_sequences(y_back, index)], dim=-1), state + state_back
    else:
        y, state = _run_whole(call, x, lengths)
    if call.time_first:  # the kernel of the LSTM has saved its y, which the caller may change
        return [y.clone() if isinstance(call.cell, LSTM) else y, *state]
    return [y.transpose(0, 1).clone(memory_format=torch.contiguous_format), *state]


def _time_segments(call: Call) -> tuple[Tensor | None, list[tuple[int, int, int]]]:
    """The order of the sequences, longest first, and the time segments.

    None where lengths must not be read: on a GPU, because that would wait, and while a graph is recorded for other lengths too.
    """
    if call.lengths is None or not call.x.is_cpu or traced(call.x) or not call.lengths.numel():
        return None, []
    order = call.lengths.argsort(descending=True)
    return order, segments(call.lengths[order].tolist(), call.x.shape[1])


def computed_steps(call: Call) -> int:
    """See `Backend.computed_steps`."""
    _, time_segments = _time_segments(call)
    return (
        sum((end - start) * size for start, end, size in time_segments) * call.directions
        if time_segments
        else padded_steps(call)
    )


def _run_forward(
    call: Call, x: Tensor, lengths: Tensor, order: Tensor | None, time_segments: list[tuple[int, int, int]]
) -> tuple[Tensor, list[Tensor]]:
    if order is None or not time_segments:
        return _run_whole(call, x, lengths)
    return _run_in_segments(call, x, lengths, order, time_segments)


def _run_whole(call: Call, x: Tensor, lengths: Tensor) -> tuple[Tensor, list[Tensor]]:
    """All time steps of all sequences in one call of the kernel."""
    valid = valid_mask(lengths, x.shape[0])
    x, weights = _with_padding_channel(call, x, valid)
    y, state = _kernel(call, x, weights)
    if not isinstance(call.cell, LSTM):  # the output gate of the LSTM has set the padding to zero
        y = y.masked_fill(~valid, 0)
    # The reverse direction ends at a valid step, so its final state needs no correction.
    state[0] = last_valid(y[..., : call.sizes[0]], lengths, call.state[0] if call.state else None)
    return y, state


def _run_in_segments(
    call: Call, x: Tensor, lengths: Tensor, order: Tensor, time_segments: list[tuple[int, int, int]]
) -> tuple[Tensor, list[Tensor]]:
    """One direction: one call of the kernel for each time segment, with the sequences that have not ended."""
    T, B, _ = x.shape
    x, lengths = x.index_select(1, order), lengths[order]
    valid = valid_mask(lengths, T)
    x, weights = _with_padding_channel(call, x, valid)
    state = [component[order] for component in call.state] or [x.new_zeros(B, size) for size in call.sizes]
    ys, end = [], time_segments[-1][1]
    # torch.split, because its gradient is one concatenation; the gradient of each slice would be as large as x.
    for segment, (start, stop, size) in zip(
        torch.split(x[:end], [b - a for a, b, _ in time_segments]), time_segments, strict=True
    ):
        initial = [component[:size] for component in state]
        y, last = _kernel(call._replace(state=initial), segment[:, :size], weights)
        last[0] = last_valid(y, (lengths[:size] - start).clamp(max=stop - start), initial[0])
        state = [torch.cat([new, like(old[size:], new)]) for new, old in zip(last, state, strict=True)]
        ys.append(pad(y, (0, 0, 0, B - size)))
    if end < T:
        ys.append(ys[0].new_zeros(T - end, B, call.sizes[0]))
    y, back = torch.cat(ys), order.argsort()
    if not isinstance(call.cell, LSTM):
        y = y.masked_fill(~valid, 0)
    return y.index_select(1, back), [component[back] for component in state]


def _with_padding_channel(call: Call, x: Tensor, valid: Tensor) -> tuple[Tensor, list[Tensor]]:
    """x with zero padding and, for cells that need it, with the padding channel; and the weights with those of the channel."""
    x, weights, padding_weights = x.masked_fill(~valid, 0), list(call.weights), _padding_weights(call.cell, x)
    if padding_weights is not None:
        x = torch.cat([x, (~valid).to(x.dtype)], dim=-1)
        for k in range(0, len(weights), len(weights) // call.directions):
            column = torch.cat([weights[k].new_full((call.hidden_size, 1), value) for value in padding_weights])
            weights[k] = torch.cat([weights[k], column], dim=1)
    return x, weights


def _padding_weights(cell: Cell, x: Tensor) -> tuple[float, ...] | None:
    """The weights of the padding channel, one for each gate, or None if the cell needs no such channel."""
    weights = _kernel_of(cell).padding_weights
    if weights and (x.dtype == torch.float16 or torch.is_autocast_enabled(x.device.type)):
        return tuple(max(-_SATURATED, min(_SATURATED, weight)) for weight in weights)
    return weights


def _kernel(call: Call, x: Tensor, weights: Sequence[Tensor], batch_first: bool = False) -> tuple[Tensor, list[Tensor]]:
    """x (T, B, I) -> y (T, B, D*H), or both with B first, and the final state, in the layout of `Call.state`."""
    cell, components, function = call.cell, len(call.cell.states), _kernel_of(call.cell).function
    if not call.state:
        initial = [x.new_zeros(call.directions, x.shape[not batch_first], size) for size in call.sizes]
    elif call.bidirectional:
        initial = [torch.stack((call.state[p], call.state[p + components])) for p in range(components)]
    else:
        initial = [component[None] for component in call.state]
    # The kernels save values for the backward pass only in training mode, which is set if a gradient may be needed.
    training = call.needs_gradient or jit_tracing()
    rest = (list(weights), call.bias, 1, 0.0, training, call.bidirectional, batch_first)
    if isinstance(cell, LSTMP) and x.is_cpu:
        with _no_onednn():
            y, *last = function(x, initial, *rest)
    elif len(cell.states) > 1:
        y, *last = function(x, initial, *rest)
    else:
        y, *last = function(x, initial[0], *rest)
    # Copies and no views, so that the caller may change each of them in place.
    return y, [component[d].clone() for d in range(call.directions) for component in last]


@contextmanager
def _no_onednn() -> Iterator[None]:
    """Disables oneDNN, which does not support projections; otherwise torch warns and then disables it."""
    before = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(before)


def unsupported(call: Call) -> str | None:
    """See `Backend.unsupported`."""
    if call.x.shape[1] == 0:
        return "torch's kernels need at least one time step, and T is 0"
    if not call.x.is_floating_point():
        return f"torch's kernels need floating point, and x is {call.x.dtype}"
    if isinstance(call.cell, LSTMP) and jit_tracing() and torch.onnx.is_in_onnx_export():
        return "torch.onnx.export(dynamo=False) has no LSTM with projections"
    return _autocast_reason(call) or ordinary_reason((call.x, *call.state, *call.weights))


def _autocast_reason(call: Call) -> str | None:
    """Why the LSTM cannot run under autocast on the CPU. torch chooses oneDNN there before it knows the dtype."""
    if not isinstance(call.cell, LSTM) or not call.x.is_cpu or not torch.is_autocast_enabled("cpu"):
        return None
    dtype = torch.get_autocast_dtype("cpu")
    if isinstance(call.cell, LSTMP):
        return "a compiled graph cannot disable oneDNN" if torch.compiler.is_compiling() else None
    return None if _ONEDNN_RUNS.get(dtype, True) else f"oneDNN has no LSTM in {dtype} on this processor"


BACKEND = Backend("torch", run, unsupported, cells=tuple(_KERNELS), computed_steps=computed_steps)
