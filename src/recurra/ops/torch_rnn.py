"""The back end `torch`: torch's own fused kernels (oneDNN or native on the CPU, cuDNN on CUDA), which know no lengths.

Rows of different length: the padding is zeroed and the input gets one channel more, 1 on dead steps, whose weights are
constants that shut the gates, so that a dead step leaves the memory untouched and passes no gradient:

    LSTM   i -1e4, f +1e4, o -1e4: c' = c and h' = 0, exactly
    GRU    z +1e4: h' = h
    relu   n -1e30: h' = 0, so that nothing can grow along the padding, however large h is
    tanh   needs none: it is bounded

h of the last live step is gathered from y. In the reverse direction the dead steps come first, so h must survive them:
it does in LSTM and GRU when the first state is zero. With any other first state, and for the RNN, each row is reversed
by its own length, run forward, and reversed back.

On the CPU, where a dead step costs as much as a live one, time is cut into segments, and each is run with the rows that
still live in it; the state is handed on. Nothing is cut where little would be saved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import _VF, Tensor
from torch.nn.functional import pad

from ..cells import GRU, LSTM, RNN, Cell
from ..cells.lstmp import LSTMP
from .call import Backend, Call, all_steps, note
from .variable_length import last_live, live_steps, reversal, reverse_rows, segments

_SHUT = 1e4  # sigmoid(-1e4) is 0 and sigmoid(1e4) is 1 in every dtype, and float16 can hold it
_SHUT_RELU = 1e30  # h of a relu has no bound; 1e4 where the kernel may compute in float16


def run(call: Call) -> list[Tensor]:
    """See `Backend.run`."""
    note("torch")
    x, lengths = call.x.transpose(0, 1), call.lengths  # (T, B, I): what the kernels work in
    if lengths is None:
        y, state = _kernel(call, x, call.weights)
    else:
        order, cuts = _cuts(call)
        if not call.bidirectional:
            y, state = _forward(call, x, lengths, order, cuts)
        elif cuts or call.state or isinstance(call.cell, RNN):
            index = reversal(lengths, x.shape[0])
            y, state = _forward(call.one_direction(0), x, lengths, order, cuts)
            y_back, state_back = _forward(call.one_direction(1), reverse_rows(x, index), lengths, order, cuts)
            y, state = torch.cat([y, reverse_rows(y_back, index)], dim=-1), state + state_back
        else:
            y, state = _whole(call, x, lengths)
    return [y.transpose(0, 1), *state]


def _cuts(call: Call) -> tuple[Tensor | None, list[tuple[int, int, int]]]:
    """The order of the rows, longest first, and the segments of time; on a GPU, where looking would wait, none."""
    if call.lengths is None or not call.x.is_cpu or not call.lengths.numel():
        return None, []
    order = call.lengths.argsort(descending=True)
    return order, segments(call.lengths[order].tolist(), call.x.shape[1])


def work(call: Call) -> int:
    """See `Backend.work`."""
    _, cuts = _cuts(call)
    return sum((end - start) * rows for start, end, rows in cuts) * call.directions if cuts else all_steps(call)


def _forward(
    call: Call, x: Tensor, lengths: Tensor, order: Tensor | None, cuts: list[tuple[int, int, int]]
) -> tuple[Tensor, list[Tensor]]:
    if order is None or not cuts:
        return _whole(call, x, lengths)
    return _in_segments(call, x, lengths, order, cuts)


def _whole(call: Call, x: Tensor, lengths: Tensor) -> tuple[Tensor, list[Tensor]]:
    """All steps of all rows in one call of the kernel."""
    live = live_steps(lengths, x.shape[0])
    x, weights = _marked(call, x, live)
    y, state = _kernel(call, x, weights)
    if not isinstance(call.cell, LSTM):  # the LSTM's output gate has made them zero already
        y = y.masked_fill(~live, 0)
    # The reverse direction ends on a live step: its last state is right as it is.
    state[0] = last_live(y[..., : call.sizes[0]], lengths, call.state[0] if call.state else None)
    return y, state


def _in_segments(
    call: Call, x: Tensor, lengths: Tensor, order: Tensor, cuts: list[tuple[int, int, int]]
) -> tuple[Tensor, list[Tensor]]:
    """One direction, a call of the kernel for each segment of time with the rows that live in it, longest first."""
    T, B, _ = x.shape
    x, lengths = x.index_select(1, order), lengths[order]
    live = live_steps(lengths, T)
    x, weights = _marked(call, x, live)
    state = [part[order] for part in call.state] or [x.new_zeros(B, size) for size in call.sizes]
    ys, end = [], cuts[-1][1]
    # Split, because the gradient of a split is one concatenation; that of a slice is as large as x.
    for piece, (start, stop, rows) in zip(torch.split(x[:end], [b - a for a, b, _ in cuts]), cuts, strict=True):
        first = [part[:rows] for part in state]
        y, last = _kernel(call._replace(state=first), piece[:, :rows], weights)
        last[0] = last_live(y, (lengths[:rows] - start).clamp(max=stop - start), first[0])
        state = [torch.cat([new, old[rows:]]) for new, old in zip(last, state, strict=True)]
        ys.append(pad(y, (0, 0, 0, B - rows)))
    if end < T:
        ys.append(x.new_zeros(T - end, B, call.sizes[0]))
    y, back = torch.cat(ys), order.argsort()
    if not isinstance(call.cell, LSTM):
        y = y.masked_fill(~live, 0)
    return y.index_select(1, back), [part[back] for part in state]


def _marked(call: Call, x: Tensor, live: Tensor) -> tuple[Tensor, list[Tensor]]:
    """x with its padding zeroed and, for the cells that need it, the channel that marks dead steps; its weights."""
    x, weights, dead = x.masked_fill(~live, 0), list(call.weights), _dead_weights(call.cell, x)
    if dead is not None:
        x = torch.cat([x, (~live).to(x.dtype)], dim=-1)
        for k in range(0, len(weights), len(weights) // call.directions):
            column = torch.cat([weights[k].new_full((call.hidden_size, 1), value) for value in dead])
            weights[k] = torch.cat([weights[k], column], dim=1)
    return x, weights


def _dead_weights(cell: Cell, x: Tensor) -> tuple[float, ...] | None:
    """Weights of the channel that marks dead steps, one a gate."""
    if isinstance(cell, LSTM):
        return -_SHUT, _SHUT, 0.0, -_SHUT
    if isinstance(cell, GRU):
        return 0.0, _SHUT, 0.0
    if isinstance(cell, RNN) and cell.nonlinearity == "relu":
        half = x.dtype == torch.float16 or torch.is_autocast_enabled(x.device.type)
        return (-_SHUT if half else -_SHUT_RELU,)
    return None


def _kernel(call: Call, x: Tensor, weights: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """x (T, B, I) -> y (T, B, D*H) and the last state, laid out as `Call.state`."""
    cell, parts = call.cell, len(call.cell.states)
    if not call.state:
        first = [x.new_zeros(call.directions, x.shape[1], size) for size in call.sizes]
    elif call.bidirectional:
        first = [torch.stack((call.state[p], call.state[p + parts])) for p in range(parts)]
    else:
        first = [part[None] for part in call.state]
    # The kernels keep what a backward pass needs only when told to train; whether one can come is known here.
    rest = (list(weights), call.bias, 1, 0.0, call.wants_gradient, call.bidirectional, False)
    if isinstance(cell, LSTMP) and x.is_cpu:
        with _no_onednn():
            y, *last = _VF.lstm(x, first, *rest)
    elif isinstance(cell, LSTM):
        y, *last = _VF.lstm(x, first, *rest)
    else:
        y, *last = _kernel_of(cell)(x, first[0], *rest)
    return y, [part[d] for d in range(call.directions) for part in last]


@contextmanager
def _no_onednn() -> Iterator[None]:
    """oneDNN has no projections: torch would say so in a warning, and then do without it."""
    before = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(before)


def _kernel_of(cell: Cell) -> Any:
    if isinstance(cell, GRU):
        return _VF.gru
    return _VF.rnn_tanh if isinstance(cell, RNN) and cell.nonlinearity == "tanh" else _VF.rnn_relu


def refuses(call: Call) -> str | None:
    """See `Backend.refuses`."""
    if type(call.cell) not in (RNN, LSTM, LSTMP, GRU):
        return f"torch has kernels for rnn, lstm (projected too) and gru, not for {call.cell.name}"
    if call.x.shape[1] == 0:
        return "torch's kernels want at least one step, and T is 0"
    if not call.x.is_floating_point():
        return f"torch's kernels want floating point, and x is {call.x.dtype}"
    return None


BACKEND = Backend("torch", run, refuses, work=work)
