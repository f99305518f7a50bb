"""Checks of `lengths`, and whether a call is being traced."""

from __future__ import annotations

import torch
from torch import Tensor
from torch._C import _TorchDispatchModeKey as _Mode

from ..errors import CallError


def traced(x: Tensor) -> bool:
    """Whether a graph is being recorded or shapes are being inferred, so that tensor values must not be read."""
    return (
        type(x) not in (Tensor, torch.nn.Parameter)
        or x.is_meta
        or torch._C._get_dispatch_mode(_Mode.FAKE) is not None
        or torch._C._get_dispatch_mode(_Mode.FUNCTIONAL) is not None
        or torch._C._get_dispatch_mode(_Mode.PROXY) is not None
    )


def wants_operator(x: Tensor) -> bool:
    """Whether a call must appear as one operator: a graph is being traced, or torch.func transforms the call."""
    return torch.compiler.is_compiling() or traced(x) or torch._C._are_functorch_transforms_active()


def check_lengths(lengths: Tensor, T: int) -> Tensor | None:
    """Checks (B,) integers in 0..T. Returns None if every sequence has length T. Raises CallError for invalid lengths.

    This reads the values: with lengths on a GPU it waits for the GPU, with lengths on the CPU it is cheap.
    """
    if lengths.numel() == 0:
        return None
    shortest, longest = (int(bound) for bound in torch.aminmax(lengths))
    if shortest < 0 or longest > T:
        wrong = shortest if shortest < 0 else longest
        raise CallError(f"lengths has {wrong} in row {lengths.tolist().index(wrong)}; expected 0 <= length <= T = {T}")
    return None if shortest == T else lengths
