"""Which calls the native kernels support, and when another backend is probably faster."""

from __future__ import annotations

import torch

from ..call import Call, padded_steps
from ..eligibility import memory_reason
from . import int8, loader, small_batch
from .kernels import INT8_CELLS


def unsupported(call: Call) -> str | None:
    """See `Backend.unsupported`."""
    x = call.x
    if not x.is_cpu:
        return f"the kernels are for the CPU, and x is on {x.device}"
    if x.dtype not in (torch.float32, torch.float64):
        return f"the kernels compute in float32 or float64, and x is {x.dtype}"
    if reason := memory_reason((x, *call.weights, *call.state, *call.masks)):
        return reason
    if call.lengths is not None and (reason := memory_reason((call.lengths,))):
        return reason
    dtype, is_int8 = x.dtype, type(call.cell) in INT8_CELLS
    if is_int8 and dtype != torch.float32:
        return f"int8 weights require float32, and x is {dtype}"
    if is_int8 and call.masks:
        return "int8 weights do not support the masks of recurrent_dropout and zoneout"
    if is_int8 and x.shape[2] == 0:
        return "int8 weights require at least one input feature"
    rest = [dtype] * (len(call.state) + len(call.masks))
    for tensor, wanted in zip((*call.weights, *call.state, *call.masks), (*_dtypes(call), *rest), strict=True):
        if tensor.dtype != wanted:
            return "x, the weights, the state and the masks are of different dtypes"
        if not tensor.is_cpu:
            return f"the kernels are for the CPU, and a weight, a state or a mask is on {tensor.device}"
    if call.masks and any(mask.requires_grad for mask in call.masks):
        return "a mask requires a gradient"
    if reason := _wrong_shape(call):
        return reason
    if torch.is_autocast_enabled("cpu"):
        return "autocast requires another dtype than that of x"
    if 0 in x.shape[:2] or call.hidden_size == 0:
        return "there is nothing to compute: B, T or H is 0"
    module, reason = loader.load()
    return reason if module is None else None


def _dtypes(call: Call) -> list[torch.dtype]:
    """The dtype that each weight must have."""
    count, dtype = len(call.weights), call.x.dtype
    if type(call.cell) not in INT8_CELLS:
        return [dtype] * count
    of_direction = [torch.int8 if name.startswith("weight") else dtype for name in int8.NAMES]
    return (of_direction[: count // call.directions] * call.directions)[:count]


def _wrong_shape(call: Call) -> str | None:
    """A kernel receives memory without shapes, so every shape is checked here."""
    (B, T, I), H, D = call.x.shape, call.hidden_size, call.directions
    rows, n = max(1, len(call.cell.gates)) * H, 4 if call.bias else 2
    scales = [(rows,), (rows,)] if type(call.cell) in INT8_CELLS else []
    expected = (scales + [(rows, I), (rows, H), (rows,), (rows,)][:n]) * D
    if [w.shape for w in call.weights] != expected:
        return f"the weights have the shapes {[tuple(w.shape) for w in call.weights]}; expected {expected}"
    components = len(call.cell.states)
    if call.state and [component.shape for component in call.state] != [(B, H)] * (components * D):
        shapes = [tuple(component.shape) for component in call.state]
        return f"the state has the shapes {shapes}; expected {components * D} of {(B, H)}"
    if call.lengths is not None and call.lengths.shape != (B,):
        return f"lengths has the shape {tuple(call.lengths.shape)}; expected {(B,)}"
    for k, mask in enumerate(call.masks):
        shapes = [(0,), (B, H)] if k % (1 + components) == 0 else [(0,), (1, 1, 1), (T, B, H)]
        if mask.shape not in shapes or len(call.masks) != (1 + components) * D:
            return f"mask {k} of {len(call.masks)} has the shape {tuple(mask.shape)}; expected one of {tuple(shapes)}"
    return None


_MIN_STEPS = 8  # from the measurements of `recurra bench`


def heuristic_skip(call: Call) -> str | None:
    """See `Backend.heuristic_skip`."""
    if type(call.cell) in INT8_CELLS:
        return None  # there is no other backend with kernels for these
    if not call.masks and not small_batch.fits(call) and call.x.shape[1] < _MIN_STEPS:
        return f"with fewer than {_MIN_STEPS} steps, calling the kernels costs more than they save"
    return None


def computed_steps(call: Call) -> int:
    """See `Backend.computed_steps`: only valid time steps are computed."""
    return padded_steps(call) if call.lengths is None else int(call.lengths.sum()) * call.directions
