"""Checks of the arguments of layers. The errors are also of the type that torch.nn raises for the same mistake."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor

from .. import ops
from ..cells import first_line
from ..errors import CallError, short

Lengths = Tensor | Sequence[int] | None


class ShapeError(CallError, RuntimeError):
    """A tensor has the wrong shape or dtype. torch.nn raises RuntimeError or ValueError; this error is both."""


class ArgumentError(CallError, TypeError):
    """An argument has the wrong type or does not exist. torch.nn raises TypeError or ValueError; this error is both."""


def check_size(name: str, size: Any, minimum: int = 1) -> int:
    """Return `size`. Raises CallError unless it is an integer of at least `minimum`."""
    if isinstance(size, bool) or not isinstance(size, Integral):  # integers of NumPy are accepted
        raise ArgumentError(f"{name} is {short(size)}; expected an integer of at least {minimum}")
    if size < minimum:
        raise ShapeError(f"{name} is {size}; expected an integer of at least {minimum}")
    return int(size)


def check_bool(name: str, value: Any) -> bool:
    """Return `value`. Raises CallError unless it is True or False."""
    if not isinstance(value, bool):
        raise ArgumentError(f"{name} is {short(value)}; expected True or False")
    return value


def check_probability(name: str, p: Any, below_one: bool = False) -> float:
    """Return `p` as a float. Raises CallError unless it is in [0, 1], or in [0, 1) if `below_one`."""
    expected = f"expected a probability, 0 to 1{', 1 excluded' if below_one else ''}"
    if isinstance(p, bool) or not isinstance(p, Real):
        raise ArgumentError(f"{name} is {short(p)}; {expected}")
    value = float(p)
    if not 0 <= value <= 1 or (below_one and value == 1):
        raise CallError(f"{name} is {p!r}; {expected}")
    return value


def check_factory(device: Any, dtype: Any) -> None:
    """Raise CallError unless `device` names a device, and `dtype` is a floating or complex type; both may be None."""
    if dtype is not None and not isinstance(dtype, torch.dtype):
        raise ArgumentError(f"dtype is {short(dtype)}; expected a torch.dtype or None")
    if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
        raise ShapeError(f"dtype is {dtype}; expected a floating point type, because parameters need gradients")
    if device is not None:
        kind: type[CallError] = ArgumentError if not isinstance(device, str) else ShapeError
        try:
            torch.empty(0, device=device)
        except (RuntimeError, TypeError, AssertionError) as error:
            expected = "expected an available torch.device, its name, or None"
            raise kind(f"device is {short(device)}; {expected}: {first_line(error)[:150]}") from error


def check_tensor(name: str, x: Any) -> Tensor:
    """Return `x`. Raises CallError unless it is a tensor."""
    if not isinstance(x, Tensor):
        raise ArgumentError(f"{name} is a {type(x).__name__}; expected a tensor")
    return x


def check_like(name: str, x: Tensor, weight: Tensor) -> None:
    """Raise CallError unless `x` is on the device of the layer and has its dtype, or autocast will convert it."""
    if x.dtype != weight.dtype and not torch.is_autocast_enabled(x.device.type):
        raise ShapeError(f"{name} is {x.dtype} and the layer is {weight.dtype}; convert one: {name}.to({weight.dtype})")
    if x.device != weight.device:
        raise ShapeError(f"{name} is on {x.device} and the layer is on {weight.device}; move one of them")


_INTEGERS = tuple(getattr(torch, f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64))


def _integers(name: str, given: Any, axes: str) -> Tensor:
    """Return `given`, a sequence of integers or a tensor, as a tensor on the CPU or on its own device."""
    if isinstance(given, Tensor):
        return given
    try:
        values = torch.as_tensor(given, device="cpu")  # and not torch's default device
    except (TypeError, ValueError, RuntimeError):
        raise ArgumentError(f"{name} is {given!r}; expected integers, {axes}") from None
    return values if values.numel() else values.to(torch.int64)  # an empty list has no type


def check_lengths(lengths: Lengths, x: Tensor) -> Tensor | None:
    """Return `lengths` for x (B, T, I) as int64 on the device of x, or None if no sequence is shorter than T.

    The result is a copy, so that the caller may change the tensor before the backward pass.
    """
    if lengths is None:
        return None
    given, lengths = lengths, _integers("lengths", lengths, "(B,)")
    B, T = x.shape[:2]
    if lengths.dtype == torch.bool or (lengths.dim() == 2 and lengths.shape in ((B, T), (T, B))):
        raise ShapeError(
            f"lengths is {lengths.dtype} of shape {tuple(lengths.shape)}, like a mask; expected integers, (B,); "
            "recurra.nn.from_mask(x, mask) converts a mask"
        )
    if lengths.dtype not in _INTEGERS:
        raise ShapeError(f"lengths is {lengths.dtype}; expected integers, (B,)")
    if lengths.layout != torch.strided:
        raise ShapeError(f"lengths has the layout {lengths.layout}; expected a dense tensor: lengths.to_dense()")
    if lengths.dim() != 1 or lengths.shape[0] != B:
        raise ShapeError(f"lengths has shape {tuple(lengths.shape)}; expected (B,) with B = {B}, the batch size of x")
    if lengths.is_meta and not x.is_meta:
        raise ShapeError(
            f"lengths is on {lengths.device}, which has no values, and x is on {x.device}; move one of them"
        )
    lengths = lengths.to(torch.int64, copy=lengths is given)
    is_traced = torch.compiler.is_compiling() or ops.traced(x)  # a traced graph checks when it runs
    checked = lengths if is_traced else ops.check_lengths(lengths, T)
    return None if checked is None else checked.to(x.device)


def check_index(name: str, index: Any, B: int) -> Tensor | slice:
    """Return `index`, which selects some of B sequences, as int64 or booleans or a slice. Raises CallError if it is invalid."""
    expected = f"expected integers from 0 to {B - 1}, booleans (B,) with B = {B}, or a slice"
    if isinstance(index, slice):
        bounds = (index.start, index.stop, index.step)
        if any(bound is not None and not isinstance(bound, int) for bound in bounds):
            raise ArgumentError(f"{name} is {index}; {expected}")
        return index
    positions = _integers(name, index, "a list, a tensor or a slice")
    positions = positions.reshape(1) if positions.dim() == 0 else positions
    is_mask = positions.dtype == torch.bool and positions.shape == (B,)
    if not is_mask and (positions.dtype not in _INTEGERS or positions.dim() != 1):
        raise ShapeError(f"{name} is {positions.dtype} of shape {tuple(positions.shape)}; {expected}")
    if is_mask:
        return positions
    positions = positions.to(torch.int64)
    if not torch.compiler.is_compiling() and not ops.traced(positions):
        for position in positions.tolist():
            if not -B <= position < B:
                raise ShapeError(f"{name} has {position}; {expected}")
    return positions
