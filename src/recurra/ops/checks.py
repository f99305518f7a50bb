"""Checks of `lengths`, and what tracing is."""

from __future__ import annotations

import torch
from torch import Tensor
from torch._C import _TorchDispatchModeKey as _Mode

from ..errors import CallError


def traced(x: Tensor) -> bool:
    """Whether a graph is being recorded or shapes worked out, so that the values of tensors must not be looked at."""
    return (
        type(x) not in (Tensor, torch.nn.Parameter)
        or x.is_meta
        or torch._C._get_dispatch_mode(_Mode.FAKE) is not None
        or torch._C._get_dispatch_mode(_Mode.FUNCTIONAL) is not None
        or torch._C._get_dispatch_mode(_Mode.PROXY) is not None
    )


def check_lengths(lengths: Tensor, T: int) -> Tensor | None:
    """(B,) integers in 0..T -> the same, or None when every row is T long; CallError when they cannot be lengths.

    Looks at the values: with lengths on a GPU this waits for it, with lengths on the CPU it costs nothing.
    """
    if lengths.numel() == 0:
        return None
    shortest, longest = (int(bound) for bound in torch.aminmax(lengths))
    if shortest < 0 or longest > T:
        wrong = shortest if shortest < 0 else longest
        raise CallError(f"lengths has {wrong} in row {lengths.tolist().index(wrong)}; wanted 0 <= length <= T = {T}")
    return None if shortest == T else lengths
