"""Batches whose padding is described by a mask: left-padded, or with holes. The layers take `lengths` and right padding."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from .. import ops
from .validate import ShapeError, check_tensor


class FromMask(NamedTuple):
    """The result of `from_mask`.

    Attributes:
        x: the valid time steps of each sequence in their order, then zeros; of the shape of the input of `from_mask`.
        lengths: (B,), int64; number of valid time steps of each sequence.
        order: (B, T), int64; for each time step of `x` the time step where it was.
        batch_first: whether the first axis of `x` is the batch.
    """

    x: Tensor
    lengths: Tensor
    order: Tensor
    batch_first: bool

    def restore(self, y: Tensor) -> Tensor:
        """Return `y` with each time step where it was before `from_mask`, and zeros where the mask is False.

        Args:
            y: (B, T, ...), or (T, B, ...) without `batch_first`; for example the output of a layer for `x`.

        Raises:
            CallError: if B or T differ from those of `x`.
        """
        y = _batch_first("y", y, self.batch_first, tuple(self.order.shape))
        valid = torch.arange(y.shape[1], device=y.device) < self.lengths[:, None].to(y.device)
        return _transposed(_select(y, valid, self.order.argsort(dim=1)), self.batch_first)


def from_mask(x: Tensor, mask: Tensor, *, batch_first: bool = True) -> FromMask:
    """Move the valid time steps of each sequence to its beginning, so that `lengths` describes the padding.

    A layer then computes what it would compute for each sequence without its padding: a time step that is masked does not
    change the state.

    Args:
        x: (B, T, ...), or (T, B, ...) without `batch_first`; the padded sequences. The padding may be anywhere.
        mask: (B, T) in both cases, booleans, or integers 0 and 1; True at valid time steps. This is the `attention_mask`
            of many libraries, and the inverse of the `key_padding_mask` of torch.nn.
        batch_first: whether the first axis of `x` is the batch. Default: True.

    Returns:
        A `FromMask` with `x`, `lengths` and the method `restore`, which moves an output back.

    Raises:
        CallError: if `mask` is not (B, T) or has other values.

    Example:
        >>> import torch
        >>> from recurra import nn
        >>> layer, x = nn.LSTM(5, 8, batch_first=True), torch.randn(2, 4, 5)
        >>> mask = torch.tensor([[0, 0, 1, 1], [1, 0, 1, 1]])  # padding on the left, and a hole
        >>> batch = nn.from_mask(x, mask)
        >>> batch.lengths
        tensor([2, 3])
        >>> y, (h_n, c_n) = layer(batch.x, lengths=batch.lengths)
        >>> y = batch.restore(y)
        >>> torch.equal(y[0, 3], h_n[0, 0]), bool(y[1, 1].eq(0).all())
        (True, True)
    """
    x = _batch_first("x", x, batch_first, None)
    expected = f"expected booleans or the integers 0 and 1, (B, T) = {tuple(x.shape[:2])}"
    if check_tensor("mask", mask).shape != x.shape[:2] or mask.is_floating_point() or mask.is_complex():
        raise ShapeError(f"mask is {mask.dtype} of shape {tuple(mask.shape)}; {expected}, True at valid time steps")
    valid = mask.to(x.device, torch.bool)
    is_readable = not (torch.compiler.is_compiling() or ops.traced(x))
    if is_readable and not torch.equal(mask.to(x.device), valid.to(mask.dtype)):
        raise ShapeError(f"mask has other values than 0 and 1; {expected}")
    order = (~valid).to(torch.uint8).argsort(dim=1, stable=True)
    moved = _select(x, valid, order)
    return FromMask(_transposed(moved, batch_first), valid.sum(1), order, batch_first)


def _batch_first(name: str, x: Any, batch_first: bool, size: tuple[int, ...] | None) -> Tensor:
    """Return `x` as (B, T, ...)."""
    axes = "(B, T, ...)" if batch_first else "(T, B, ...)"
    x = check_tensor(name, x)
    if x.dim() < 2 or (size is not None and tuple(_transposed(x, batch_first).shape[:2]) != size):
        shown = "" if size is None else f" with (B, T) = {size}"
        raise ShapeError(f"{name} has shape {tuple(x.shape)}; expected {axes}{shown}")
    return _transposed(x, batch_first)


def _transposed(x: Tensor, batch_first: bool) -> Tensor:
    return x if batch_first else x.transpose(0, 1)


def _select(x: Tensor, valid: Tensor, order: Tensor) -> Tensor:
    """x (B, T, ...) in another order (B, T) of time, with zeros instead of the time steps that are not valid before it."""
    mask = valid.reshape(*valid.shape, *[1] * (x.dim() - 2))
    index = order.to(x.device).reshape(mask.shape).expand(x.shape)
    return torch.where(mask, x, 0).gather(1, index)
