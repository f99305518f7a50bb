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
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import _VF, Tensor

from ..cells import GRU, LSTM, RNN, Cell
from .call import Backend, Call, note
from .ragged import last_live, live_steps, reversal, reverse_rows

_SHUT = 1e4  # sigmoid(-1e4) is 0 and sigmoid(1e4) is 1 in every dtype, and float16 can hold it
_SHUT_RELU = 1e30  # h of a relu has no bound; 1e4 where the kernel may compute in float16


def run(call: Call) -> list[Tensor]:
    """See `Backend.run`."""
    note("torch")
    x = call.x.transpose(0, 1)  # (T, B, I): what the kernels work in
    if call.lengths is None:
        y, state = _kernel(call, x, call.weights)
    elif call.bidirectional and (call.state or isinstance(call.cell, RNN)):
        y, state = _both_forward(call, x, call.lengths)
    else:
        y, state = _with_lengths(call, x, call.lengths, live_steps(call.lengths, x.shape[0]))
    return [y.transpose(0, 1), *state]


def _both_forward(call: Call, x: Tensor, lengths: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Both directions as two forward ones, the second over rows reversed each by its own length."""
    live, index = live_steps(lengths, x.shape[0]), reversal(lengths, x.shape[0])
    y, state = _with_lengths(call.one_direction(0), x, lengths, live)
    y_reversed, state_reverse = _with_lengths(call.one_direction(1), reverse_rows(x, index), lengths, live)
    return torch.cat([y, reverse_rows(y_reversed, index)], dim=-1), state + state_reverse


def _with_lengths(call: Call, x: Tensor, lengths: Tensor, live: Tensor) -> tuple[Tensor, list[Tensor]]:
    x = torch.where(live, x, 0)
    weights = list(call.weights)
    dead = _dead_weights(call.cell, x)
    if dead is not None:
        x = torch.cat([x, (~live).to(x.dtype)], dim=-1)
        for k in range(0, len(weights), len(weights) // call.directions):
            column = torch.cat([weights[k].new_full((call.hidden_size, 1), value) for value in dead])
            weights[k] = torch.cat([weights[k], column], dim=1)
    y, state = _kernel(call, x, weights)
    if not isinstance(call.cell, LSTM):  # the LSTM's output gate has made them zero already
        y = torch.where(live, y, 0)
    first = call.state[0] if call.state else None
    state[0] = last_live(y[..., : call.hidden_size], lengths, first)  # the reverse direction ends on a live step
    return y, state


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
        zeros = x.new_zeros(call.directions, x.shape[1], call.hidden_size)
        first = [zeros] * parts
    elif call.bidirectional:
        first = [torch.stack((call.state[p], call.state[p + parts])) for p in range(parts)]
    else:
        first = [part[None] for part in call.state]
    # The kernels keep what a backward pass needs only when told to train; whether one can come is known here.
    train = torch.is_grad_enabled() and any(t.requires_grad for t in (x, *first, *weights))
    rest = (list(weights), call.bias, 1, 0.0, train, call.bidirectional, False)
    if isinstance(cell, LSTM):
        y, *last = _VF.lstm(x, first, *rest)
    else:
        y, *last = _kernel_of(cell)(x, first[0], *rest)
    return y, [part[d] for d in range(call.directions) for part in last]


def _kernel_of(cell: Cell) -> Any:
    if isinstance(cell, GRU):
        return _VF.gru
    return _VF.rnn_tanh if isinstance(cell, RNN) and cell.nonlinearity == "tanh" else _VF.rnn_relu


def refuses(call: Call) -> str | None:
    """See `Backend.refuses`."""
    if type(call.cell) not in (RNN, LSTM, GRU):
        return f"torch has kernels for rnn, lstm and gru, not for {call.cell.name}"
    if call.x.shape[1] == 0:
        return "torch's kernels want at least one step, and T is 0"
    if not call.x.is_floating_point():
        return f"torch's kernels want floating point, and x is {call.x.dtype}"
    return None


BACKEND = Backend("torch", run, refuses)
