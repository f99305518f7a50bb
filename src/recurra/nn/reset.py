"""Rows that start anew in mid-sequence: cut at those steps into pieces, run as a larger batch, stitched together again.

A piece runs from one start to the next, or to the end of the row; forwards and backwards alike no state passes a cut.
The first state of a row goes to its first piece, of the reverse direction to its last one; unless the row starts anew
at step 0. All other pieces begin as a row without a first state does. The last state of a row is that after its last
piece, of the reverse direction after its first one. A start in the padding means nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .. import ops
from ..errors import CallError
from .validate import ArgumentError, ShapeError

Reset = Tensor | Sequence[tuple[int, int]] | None


def check_reset(reset: Reset, x: Tensor) -> Tensor | None:
    """`reset` for x (B, T, I) as (B, T) booleans on the CPU; None when no row starts anew.

    Looks at the values: booleans on a GPU are waited for.
    """
    if reset is None:
        return None
    if torch.compiler.is_compiling() or ops.traced(x):
        raise CallError("reset came while a graph is traced, and how many pieces there are depends on its values; "
                        "wanted None: cut the rows outside of the graph")  # fmt: skip
    B, T = x.shape[:2]
    if isinstance(reset, Tensor):
        if reset.dtype != torch.bool or reset.shape != (B, T):
            raise ShapeError(
                f"reset is {reset.dtype} of shape {tuple(reset.shape)}; wanted torch.bool, (B, T) = {(B, T)}"
            )
        starts = reset.cpu()
    else:
        starts = torch.zeros(B, T, dtype=torch.bool)
        for row, step in _pairs(reset):
            if not 0 <= row < B:
                raise CallError(f"reset has row {row} in {(row, step)}; wanted 0 <= row < B = {B}")
            if not 0 <= step < T:
                raise CallError(f"reset has step {step} in {(row, step)}; wanted 0 <= step < T = {T}")
            starts[row, step] = True
    return starts if starts.any() else None


def _pairs(reset: Any) -> list[tuple[int, int]]:
    pairs = []
    for pair in reset if isinstance(reset, Sequence) else [reset]:
        try:
            row, step = (index(number) for number in pair if not isinstance(number, bool))  # no rows of booleans either
        except (TypeError, ValueError):
            raise ArgumentError(
                f"reset has {pair!r}; wanted pairs (row, step) of integers, or booleans (B, T)"
            ) from None
        pairs.append((row, step))
    return pairs


class Pieces(NamedTuple):
    """Where the N pieces of B rows come from and where their steps go; P is the longest piece."""

    lengths: Tensor  # (N,)
    source: Tensor  # (N, P): the place in flat (B, T) of each step of each piece
    target: Tensor  # (B, T): the place in flat (N, P) of each step of each row
    live: Tensor  # (B, T, 1)
    row: Tensor  # (N,): the row of each piece
    given: tuple[Tensor, Tensor]  # (N, 1) booleans a direction: the piece begins with the first state of its row
    final: tuple[Tensor, Tensor]  # (B,) a direction: the piece that the last state of each row comes from

    @classmethod
    def of(cls, starts: Tensor, lengths: Tensor | None, device: torch.device) -> Pieces:
        """starts (B, T) on the CPU, T > 0, and lengths (B,) or None -> the pieces, with all indices on `device`."""
        B, T = starts.shape
        ends = torch.full((B,), T) if lengths is None else lengths.cpu()
        live = torch.arange(T) < ends[:, None]
        begins = starts & live
        begins[:, 0] = True  # a row of length 0 is one piece of length 0
        row, begin = begins.nonzero(as_tuple=True)  # row by row, each from its start to its end
        is_first = torch.cat([torch.tensor([True]), row[1:] != row[:-1]])
        is_last = torch.cat([is_first[1:], torch.tensor([True])])
        size = torch.where(is_last, ends[row], begin.roll(-1)) - begin
        P = max(int(size.max()), 1)
        source = (row * T + begin)[:, None] + torch.arange(P)
        piece = begins.flatten().cumsum(0).view(B, T) - 1
        target = piece * P + torch.arange(T) - begin[piece]
        anew = (starts & live)[row, 0]
        return cls(
            lengths=size.to(device),
            source=source.clamp(max=B * T - 1).to(device),
            target=torch.where(live, target, 0).to(device),
            live=live[:, :, None].to(device),
            row=row.to(device),
            given=((is_first & ~anew)[:, None].to(device), is_last[:, None].to(device)),
            final=(is_last.nonzero()[:, 0].to(device), is_first.nonzero()[:, 0].to(device)),
        )

    def cut(self, x: Tensor) -> Tensor:
        """x (B, T, I) -> (N, P, I)."""
        return x.reshape(-1, x.shape[2]).index_select(0, self.source.flatten()).view(*self.source.shape, -1)

    def stitch(self, y: Tensor) -> Tensor:
        """y (N, P, F) -> (B, T, F), zero past each row's length."""
        rows = y.reshape(-1, y.shape[2]).index_select(0, self.target.flatten()).view(*self.target.shape, -1)
        return torch.where(self.live, rows, 0)

    def first(self, part: Tensor, fresh: Tensor, direction: int) -> Tensor:
        """A part (B, size) of the first state and what pieces begin with that have none -> (N, size)."""
        return torch.where(self.given[direction], part.index_select(0, self.row), fresh)

    def last(self, part: Tensor, direction: int) -> Tensor:
        """A part (N, size) of the last state -> (B, size)."""
        return part.index_select(0, self.final[direction])
