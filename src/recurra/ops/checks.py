"""Checks of `lengths`."""

from __future__ import annotations

import torch
from torch import Tensor
from torch._C._functorch import get_unwrapped, is_functorch_wrapped_tensor

from ..errors import CallError


def check_lengths(lengths: Tensor, T: int) -> Tensor | None:
    """Checks (B,) integers in 0..T. Returns None if every sequence has length T. Raises CallError for invalid lengths.

    This reads the values: with lengths on a GPU it waits for the GPU, with lengths on the CPU it is cheap.
    """
    values = lengths
    while is_functorch_wrapped_tensor(values):  # torch.func.vmap over lengths: check those of all calls
        values = get_unwrapped(values)
    if values.numel() == 0:
        return None
    shortest, longest = (int(bound) for bound in torch.aminmax(values))
    if shortest < 0 or longest > T:
        wrong = shortest if shortest < 0 else longest
        row = ", ".join(map(str, (values == wrong).nonzero()[0].tolist()))
        raise CallError(f"lengths has {wrong} in row {row}; expected 0 <= length <= T = {T}")
    return None if shortest == T else lengths
