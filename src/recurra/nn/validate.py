"""Checks of what layers are given. What torch.nn refuses with another kind of error is that kind too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .. import ops
from ..errors import CallError

Lengths = Tensor | Sequence[int] | None


class ShapeError(CallError, RuntimeError):
    """A tensor of the wrong shape or dtype. torch.nn raises RuntimeError or ValueError; this is both."""


class ArgumentError(CallError, TypeError):
    """An argument of the wrong type, or one that does not exist. torch.nn raises TypeError or ValueError."""


def check_size(name: str, size: Any) -> int:
    """`size` again: an integer of at least 1."""
    if isinstance(size, bool) or not isinstance(size, int):
        raise ArgumentError(f"{name} is {size!r}; wanted an integer of at least 1")
    if size < 1:
        raise CallError(f"{name} is {size}; wanted an integer of at least 1")
    return size


def check_bool(name: str, value: Any) -> bool:
    """`value` again: True or False."""
    if not isinstance(value, bool):
        raise ArgumentError(f"{name} is {value!r}; wanted True or False")
    return value


def check_probability(name: str, p: Any, below_one: bool = False) -> float:
    """`p` as a float in [0, 1], or in [0, 1)."""
    fits = isinstance(p, (int, float)) and not isinstance(p, bool) and 0 <= p <= 1 and not (below_one and p == 1)
    if not fits:
        raise CallError(f"{name} is {p!r}; wanted a probability, 0 to 1{', 1 excluded' if below_one else ''}")
    return float(p)


def check_tensor(name: str, x: Any) -> Tensor:
    """`x` again: a tensor."""
    if not isinstance(x, Tensor):
        raise ArgumentError(f"{name} is a {type(x).__name__}; wanted a tensor")
    return x


def check_dtype(name: str, x: Tensor, weight: Tensor) -> None:
    """CallError unless `x` has the dtype of the layer, or autocast will see to it."""
    if x.dtype != weight.dtype and not torch.is_autocast_enabled(x.device.type):
        raise ShapeError(f"{name} is {x.dtype} and the layer is {weight.dtype}; convert one: {name}.to({weight.dtype})")


def check_lengths(lengths: Lengths, x: Tensor) -> Tensor | None:
    """`lengths` for x (B, T, I) as the operators take it; None when no row is shorter than T."""
    if lengths is None:
        return None
    if not isinstance(lengths, Tensor):
        try:
            lengths = torch.as_tensor(lengths)
        except (TypeError, ValueError, RuntimeError):
            raise ArgumentError(f"lengths is {lengths!r}; wanted integers, (B,)") from None
    if lengths.is_floating_point() or lengths.is_complex() or lengths.dtype == torch.bool:
        raise ShapeError(f"lengths is {lengths.dtype}; wanted integers, (B,)")
    if lengths.dim() != 1 or lengths.shape[0] != x.shape[0]:
        raise ShapeError(f"lengths has shape {tuple(lengths.shape)}; wanted (B,) with B = {x.shape[0]}, as x has it")
    kept: Tensor | None = lengths
    if not torch.compiler.is_compiling() and not ops.traced(x):
        kept = ops.check_lengths(lengths, x.shape[1])  # a traced graph checks when it runs
    return None if kept is None else kept.to(x.device, torch.int64)
