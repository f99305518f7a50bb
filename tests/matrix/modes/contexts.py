"""Modes that are context managers or switches around an ordinary call."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..case import Case
from ..observe import Found, values, values_and_gradients
from .base import mode

mode("eager")(values_and_gradients)


@mode("no_grad", exact=values)
def no_grad(flat: Any, case: Case) -> Found:
    with torch.no_grad():
        return values(flat, case)


@mode("inference_mode", exact=values)
def inference(flat: Any, case: Case) -> Found:
    with torch.inference_mode():
        return values(flat, case)


def _autocast(dtype: torch.dtype) -> None:
    def run(flat: Any, case: Case) -> Found:
        with torch.autocast("cpu", dtype=dtype):
            return values_and_gradients(flat, case)

    mode(f"autocast {str(dtype).removeprefix('torch.')}", autocast=dtype)(run)


_autocast(torch.bfloat16)
_autocast(torch.float16)


@mode("deterministic")
def deterministic(flat: Any, case: Case) -> Found:
    """Two runs are equal to the bit."""
    torch.use_deterministic_algorithms(True)
    try:
        found, again = values_and_gradients(flat, case), values_and_gradients(flat, case)
    finally:
        torch.use_deterministic_algorithms(False)
    for name, tensor in found.items():
        assert torch.equal(tensor, again[name]), f"{name} differs between two runs"
    return found


def _relaid(t: Tensor) -> Tensor:
    """The same values with the axes in the reverse order in memory."""
    axes = list(range(t.dim()))[::-1]
    return t.permute(axes).contiguous().permute(axes)


@mode("saved_tensors_hooks: layout")
def hooks_layout(flat: Any, case: Case) -> Found:
    """What is saved for the backward pass comes back with another layout in memory."""
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t, _relaid):
        return values_and_gradients(flat, case)


@mode("saved_tensors_hooks: dtype", refused="same dtype|unsupported data type|expected scalar type")
def hooks_dtype(flat: Any, case: Case) -> Found:
    """What is saved for the backward pass comes back as float64."""

    def unpack(t: Tensor) -> Tensor:
        return t.double() if t.is_floating_point() else t

    with torch.autograd.graph.saved_tensors_hooks(lambda t: t, unpack):
        return values_and_gradients(flat, case)


@mode("saved_tensors_hooks: save_on_cpu")
def save_on_cpu(flat: Any, case: Case) -> Found:
    with torch.autograd.graph.save_on_cpu():
        return values_and_gradients(flat, case)
