"""Checks of the arguments of layers. The errors are also of the type that torch.nn raises for the same mistake."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .. import ops
from ..errors import CallError

Lengths = Tensor | Sequence[int] | None


class ShapeError(CallError, RuntimeError):
    """A tensor has the wrong shape or dtype. torch.nn raises RuntimeError or ValueError; this error is both."""


class ArgumentError(CallError, TypeError):
    """An argument has the wrong type or does not exist. torch.nn raises TypeError or ValueError; this error is both."""


def check_size(name: str, size: Any, minimum: int = 1) -> int:
    """Return `size`. Raises CallError unless it is an integer of at least `minimum`."""
    if isinstance(size, bool) or not isinstance(size, int):
        raise ArgumentError(f"{name} is {size!r}; expected an integer of at least {minimum}")
    if size < minimum:
        raise ShapeError(f"{name} is {size}; expected an integer of at least {minimum}")
    return size


def check_bool(name: str, value: Any) -> bool:
    """Return `value`. Raises CallError unless it is True or False."""
    if not isinstance(value, bool):
        raise ArgumentError(f"{name} is {value!r}; expected True or False")
    return value


def check_probability(name: str, p: Any, below_one: bool = False) -> float:
    """Return `p` as a float. Raises CallError unless it is in [0, 1], or in [0, 1) if `below_one`."""
    fits = isinstance(p, (int, float)) and not isinstance(p, bool) and 0 <= p <= 1 and not (below_one and p == 1)
    if not fits:
        raise CallError(f"{name} is {p!r}; expected a probability, 0 to 1{', 1 excluded' if below_one else ''}")
    return float(p)


def check_tensor(name: str, x: Any) -> Tensor:
    """Return `x`. Raises CallError unless it is a tensor."""
    if not isinstance(x, Tensor):
        raise ArgumentError(f"{name} is a {type(x).__name__}; expected a tensor")
    return x


def check_dtype(name: str, x: Tensor, weight: Tensor) -> None:
    """Raise CallError unless `x` has the dtype of the layer, or autocast will convert it."""
    if x.dtype != weight.dtype and not torch.is_autocast_enabled(x.device.type):
        raise ShapeError(f"{name} is {x.dtype} and the layer is {weight.dtype}; convert one: {name}.to({weight.dtype})")


def check_lengths(lengths: Lengths, x: Tensor) -> Tensor | None:
    """Return `lengths` for x (B, T, I) as int64 on the device of x, or None if no sequence is shorter than T."""
    if lengths is None:
        return None
    if not isinstance(lengths, Tensor):
        try:
            lengths = torch.as_tensor(lengths)
        except (TypeError, ValueError, RuntimeError):
            raise ArgumentError(f"lengths is {lengths!r}; expected integers, (B,)") from None
    if lengths.is_floating_point() or lengths.is_complex() or lengths.dtype == torch.bool:
        raise ShapeError(f"lengths is {lengths.dtype}; expected integers, (B,)")
    if lengths.dim() != 1 or lengths.shape[0] != x.shape[0]:
        raise ShapeError(
            f"lengths has shape {tuple(lengths.shape)}; expected (B,) with B = {x.shape[0]}, the batch size of x"
        )
    checked: Tensor | None = lengths
    if not torch.compiler.is_compiling() and not ops.traced(x):
        checked = ops.check_lengths(lengths, x.shape[1])  # a traced graph checks when it runs
    return None if checked is None else checked.to(x.device, torch.int64)
