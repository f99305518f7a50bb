"""Rows of different length in one padded batch, time-major: which steps live, rows reversed each by its own length."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_STEPS = 8  # shorter segments cost more in calls than they save
_LONG = 64  # with so many steps to come a cut pays, however few rows are left


def live_steps(lengths: Tensor, T: int) -> Tensor:
    """(B,) -> (T, B, 1) bool: true on the steps of each row before its length."""
    return (torch.arange(T, device=lengths.device)[:, None] < lengths)[:, :, None]


def last_live(y: Tensor, lengths: Tensor, first: Tensor | None) -> Tensor:
    """y (T, B, F) at the last live step of each row -> (B, F); a row of length 0 gives `first`, zero when None."""
    last = y[(lengths - 1).clamp(min=0), torch.arange(y.shape[1], device=y.device)]
    return torch.where((lengths > 0)[:, None], last, torch.zeros_like(last) if first is None else first)


def segments(lengths: list[int], T: int) -> list[tuple[int, int, int]]:
    """Cuts of the time axis, so that rows which have ended need not be computed: (first step, end, rows alive).

    `lengths` falls. A cut pays when an eighth of all rows has ended and the segment has some steps; when many are to
    come, an eighth of those left will do. An empty list says that less than a tenth of the work would be saved.
    """
    B, cuts, start, rows = len(lengths), [], 0, sum(length > 0 for length in lengths)
    for ended in range(rows - 1, -1, -1):  # from the shortest row to the longest
        end = lengths[ended]
        if end - start >= _STEPS and (rows - ended) * 8 >= (rows if lengths[0] - end >= _LONG else B):
            cuts.append((start, end, rows))
            start, rows = end, sum(length > end for length in lengths[:ended])
    if start < lengths[0]:
        cuts.append((start, lengths[0], rows))
    work = sum((end - start) * rows for start, end, rows in cuts)
    return cuts if work <= 0.9 * B * T else []


def reversal(lengths: Tensor, T: int) -> Tensor:
    """(B,) -> (T*B,) int64: the place, in flat (T, B), that each step of the reversed rows comes from. Dead steps stay."""
    t = torch.arange(T, device=lengths.device)[:, None]
    B = len(lengths)
    return (torch.where(t < lengths, lengths - 1 - t, t) * B + torch.arange(B, device=lengths.device)).flatten()


def _select(x: Tensor, index: Tensor) -> Tensor:
    T, B, F = x.shape
    return x.reshape(T * B, F).index_select(0, index).view(T, B, F)


class _ReverseRows(torch.autograd.Function):
    """A selection whose backward is one too, because the reversal is its own inverse (autograd would add up)."""

    @staticmethod
    def forward(x: Tensor, index: Tensor) -> Tensor:
        return _select(x, index)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (index,) = ctx.saved_tensors
        return reverse_rows(grad, index), None


def reverse_rows(x: Tensor, index: Tensor) -> Tensor:
    """x (T, B, F) with each row reversed by its own length; `index` from `reversal`."""
    if torch._C._are_functorch_transforms_active():  # torch.func.grad sees through this, not through a Function
        return _select(x, index)
    reversed_rows: Tensor = _ReverseRows.apply(x, index)  # type: ignore[no-untyped-call]
    return reversed_rows
