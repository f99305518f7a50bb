"""Which calls the back end `native` takes, and which it had better leave to torch."""

from __future__ import annotations

import torch

from ...cells import GRU, LSTM, RNN
from ..call import Call, all_steps
from . import loader, small_batch
from .loader import kernel_of


def refuses(call: Call) -> str | None:
    """See `Backend.refuses`."""
    if type(call.cell) not in (RNN, LSTM, GRU):
        return f"there are kernels for rnn, lstm and gru, not for {call.cell.name}"
    x = call.x
    if not x.is_cpu:
        return f"the kernels are for the CPU, and x is on {x.device}"
    if x.dtype not in (torch.float32, torch.float64):
        return f"the kernels compute in float32 or float64, and x is {x.dtype}"
    dtype = x.dtype
    for part in (*call.weights, *call.state, *call.masks):
        if part.dtype != dtype:
            return "x, the weights, the state and the masks are of different dtypes"
        if not part.is_cpu:
            return f"the kernels are for the CPU, and a weight, a state or a mask is on {part.device}"
    if call.masks and any(mask.requires_grad for mask in call.masks):
        return "a gradient by a mask is wanted"
    if why := _misshapen(call):
        return why
    if torch.is_autocast_enabled("cpu"):
        return "autocast asks for another dtype than that of x"
    if 0 in x.shape[:2] or call.hidden_size == 0:
        return "there is nothing to compute: B, T or H is 0"
    if torch._C._are_functorch_transforms_active():
        return "torch.func's transforms need to see every operation"
    module, why = loader.load()
    return why if module is None else None


def _misshapen(call: Call) -> str | None:
    """Kernels are given addresses alone: what does not have the shape of the call must not come so far."""
    (B, T, I), H, D = call.x.shape, call.hidden_size, call.directions
    rows, n = kernel_of(call.cell).gates * H, 4 if call.bias else 2
    wanted = [(rows, I), (rows, H), (rows,), (rows,)][:n] * D
    if [w.shape for w in call.weights] != wanted:
        return f"the weights have the shapes {[tuple(w.shape) for w in call.weights]}; wanted {wanted}"
    parts = len(call.cell.states)
    if call.state and [part.shape for part in call.state] != [(B, H)] * (parts * D):
        return f"the state has the shapes {[tuple(part.shape) for part in call.state]}; wanted {parts * D} of {(B, H)}"
    if call.lengths is not None and call.lengths.shape != (B,):
        return f"lengths has the shape {tuple(call.lengths.shape)}; wanted {(B,)}"
    for k, mask in enumerate(call.masks):
        shapes = ((0,), (B, H)) if k % (1 + parts) == 0 else ((0,), (1, 1, 1), (T, B, H))
        if mask.shape not in shapes or len(call.masks) != (1 + parts) * D:
            return f"mask {k} of {len(call.masks)} has the shape {tuple(mask.shape)}; wanted one of {shapes}"
    return None


_FEW_STEPS = 8  # what `recurra bench` shows


def slow(call: Call) -> str | None:
    """See `Backend.slow`."""
    if not call.masks and not small_batch.fits(call) and call.x.shape[1] < _FEW_STEPS:
        return f"with fewer than {_FEW_STEPS} steps, calling the kernels costs more than they save"
    return None


def work(call: Call) -> int:
    """See `Backend.work`: live steps alone."""
    return all_steps(call) if call.lengths is None else int(call.lengths.sum()) * call.directions
