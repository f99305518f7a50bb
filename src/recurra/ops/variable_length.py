"""Variable-length sequences in a padded, time-major batch: valid steps, time segments, and reversal by length."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .eligibility import jit_tracing

_MIN_STEPS = 8  # shorter segments cost more in calls than they save
_MANY_STEPS = 64  # with so many remaining steps a new segment pays off, even for a few sequences


def valid_mask(lengths: Tensor, T: int) -> Tensor:
    """(B,) -> (T, B, 1) bool: true at the valid time steps of each sequence."""
    return (torch.arange(T, device=lengths.device)[:, None] < lengths)[:, :, None]


def last_valid(y: Tensor, lengths: Tensor, initial: Tensor | None) -> Tensor:
    """y (T, B, F) at the last valid step of each sequence -> (B, F). A sequence of length 0 gives `initial`, or zero."""
    last = y[(lengths - 1).clamp(min=0), torch.arange(y.shape[1], device=y.device)]
    return valid_or_old((lengths > 0)[:, None], last, torch.zeros_like(last) if initial is None else initial)


def valid_or_old(valid: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """A component of the state: `new` where `valid`, else `old`. Its dtype is that of `new`, as if there were no padding."""
    return torch.where(valid, new, like(old, new))


def like(old: Tensor, new: Tensor) -> Tensor:
    """`old` in the dtype of `new`, which autocast may have changed."""
    return old if old.dtype == new.dtype else old.to(new.dtype)


def segments(lengths: list[int], T: int) -> list[tuple[int, int, int]]:
    """Segments of the time axis, so that sequences that have ended are not computed: (first step, end, batch size).

    `lengths` is in descending order. A segment ends when an eighth of all sequences has ended and the segment has a minimum
    length; if many steps remain, an eighth of the remaining sequences is enough. The list is empty if segments would save
    less than a tenth of the work.
    """
    B, found, start, size = len(lengths), [], 0, sum(length > 0 for length in lengths)
    for ended in range(size - 1, -1, -1):  # from the shortest sequence to the longest
        end = lengths[ended]
        if end - start >= _MIN_STEPS and (size - ended) * 8 >= (size if lengths[0] - end >= _MANY_STEPS else B):
            found.append((start, end, size))
            start, size = end, sum(length > end for length in lengths[:ended])
    if start < lengths[0]:
        found.append((start, lengths[0], size))
    work = sum((end - start) * size for start, end, size in found)
    return found if work <= 0.9 * B * T else []


def reversal_index(lengths: Tensor, T: int) -> Tensor:
    """(B,) -> (T*B,) int64: for each step of the reversed sequences its source in flat (T, B). Padding stays in place."""
    t = torch.arange(T, device=lengths.device)[:, None]
    B = lengths.shape[0]
    return (torch.where(t < lengths, lengths - 1 - t, t) * B + torch.arange(B, device=lengths.device)).flatten()


def _select(x: Tensor, index: Tensor) -> Tensor:
    T, B, F = x.shape
    return x.reshape(T * B, F).index_select(0, index).view(T, B, F)


class _ReverseSequences(torch.autograd.Function):
    """A selection whose backward pass is the same selection, because a reversal is its own inverse."""

    @staticmethod
    def forward(x: Tensor, index: Tensor) -> Tensor:
        return _select(x, index)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (index,) = ctx.saved_tensors
        return reverse_sequences(grad, index), None


def reverse_sequences(x: Tensor, index: Tensor) -> Tensor:
    """x (T, B, F) with each sequence reversed by its own length; `index` comes from `reversal_index`."""
    if jit_tracing():  # which records this, but not a Function
        return _select(x, index)
    reversed_x: Tensor = _ReverseSequences.apply(x, index)  # type: ignore[no-untyped-call]
    return reversed_x
