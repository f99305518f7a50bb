"""The live steps of a batch one after the other, step by step with the longest row first: what the kernels work on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from .pages import sparse_zeros

PIECE = 4096  # steps of rows in the products with x: what is gathered for one stays in the cache


class LiveSteps(NamedTuple):
    """The live steps of a batch, in the order (N,) in which the kernels have them."""

    B: int
    T: int
    rows: Tensor  # (B,) int64: the row at each place, longest first
    lengths: Tensor  # (B,): theirs
    offset: Tensor  # (T,): where each step begins
    alive: Tensor  # (T,): how many rows it has
    places: Tensor | None  # (N,): where each stands in (B*T,); None: all steps are live, and (N,) is (T*B,)

    @classmethod
    def of(cls, lengths: Tensor | None, B: int, T: int) -> LiveSteps:
        steps = torch.arange(T)
        if lengths is None:
            return cls(B, T, torch.arange(B), torch.full((B,), T), steps * B, torch.full((T,), B), None)
        lengths, rows = lengths.sort(descending=True, stable=True)
        live = steps[:, None] < lengths  # (T, B)
        alive = live.sum(1)
        return cls(B, T, rows, lengths, alive.cumsum(0) - alive, alive, (rows * T + steps[:, None])[live])

    @property
    def total(self) -> int:
        """N"""
        return self.B * self.T if self.places is None else len(self.places)

    def pieces(self) -> Iterator[slice]:
        """(N,) cut into pieces that stay in the cache, at the ends of steps where all are live."""
        size = PIECE if self.places is not None else max(PIECE // self.B, 1) * self.B
        return (slice(begin, min(begin + size, self.total)) for begin in range(0, self.total, size))

    def gather(self, padded: Tensor, piece: slice = slice(None)) -> Tensor:
        """(B, T, C) -> (N, C), or a piece of it. A batch whose memory is in the order of time is read as it lies."""
        B, T, C = padded.shape
        if self.places is None:
            begin, end, _ = piece.indices(self.total)
            return padded.transpose(0, 1)[begin // B : end // B].reshape(-1, C)
        places = self.places[piece]
        if padded.stride(0) == T * padded.stride(1):
            return padded.reshape(B * T, C).index_select(0, places)
        return padded.transpose(0, 1).reshape(T * B, C).index_select(0, places % T * B + places // T)

    def padded(self, C: int, like: Tensor) -> Tensor:
        """(B, T, C), for what is to be written on all live steps: zero on the others."""
        if self.places is None:
            return like.new_empty(self.T, self.B, C).transpose(0, 1)
        shape = (self.B, self.T, C)
        return sparse_zeros(shape, like) if 2 * self.total < self.B * self.T else like.new_zeros(shape)

    def put(self, padded: Tensor, live: Tensor) -> None:
        """The way back of `gather`, where not all steps are live."""
        B, T, C = padded.shape
        assert self.places is not None
        padded.view(B * T, C).index_put_((self.places,), live)

    def rows_of(self) -> Tensor:
        """(N,): the row of each step."""
        return self.rows[torch.arange(self.total) - self.offset.repeat_interleave(self.alive)]

    def before(self, d: int) -> tuple[Tensor, Tensor, Tensor]:
        """Where in (N,) the step before each step of direction `d` is; the steps that have none, and their rows."""
        begins = int(self.alive[0])  # rows that live at all
        at, rows = torch.arange(self.total), self.rows[:begins]
        if d == 0:  # a row keeps its place from one step to the next
            earlier = self.alive.roll(1).repeat_interleave(self.alive)
            return (at - earlier).clamp_(min=0), at[:begins], rows
        later = (at + self.alive.repeat_interleave(self.alive)).clamp_(max=self.total - 1)
        return later, self.offset[self.lengths[:begins] - 1] + torch.arange(begins), rows  # its own last step
