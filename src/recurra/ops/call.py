"""One call of a cell over time: what every back end receives and gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..cells import Cell


class Call(NamedTuple):
    """A layer of `cell` over the time of `x`, in one direction or in both.

    x         (B, T, I)
    lengths   (B,) int64, on the device of x, or None: all rows are T long
    state     the first state: the parts of the forward direction, then those of the reverse one, (B, size) each;
              empty: zeros
    weights   the parameters in the cell's order: the forward direction, then the reverse one
    masks     what the layer does to each step, empty: nothing. For each direction, first what multiplies h where the
              gates read it, (B, H); then for each part of the state the share of its old value that is kept,
              (T, B, size) or (1, 1, 1); a tensor of no elements where there is none
    """

    cell: Cell
    x: Tensor
    lengths: Tensor | None
    state: Sequence[Tensor]
    weights: Sequence[Tensor]
    hidden_size: int
    bias: bool
    bidirectional: bool
    masks: Sequence[Tensor] = ()

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def sizes(self) -> list[int]:
        """The features of each part of the state; the first of them are those of y in one direction."""
        return list(self.cell.state_sizes(self.hidden_size).values())

    @property
    def wants_gradient(self) -> bool:
        """Whether a backward pass can come."""
        return torch.is_grad_enabled() and any(t.requires_grad for t in (self.x, *self.state, *self.weights))

    def one_direction(self, d: int) -> Call:
        """The same call for the parameters, first state and masks of direction `d` alone."""

        def of(both: Sequence[Tensor]) -> Sequence[Tensor]:
            n = len(both) // self.directions
            return both[d * n : (d + 1) * n]

        return self._replace(state=of(self.state), weights=of(self.weights), masks=of(self.masks), bidirectional=False)


def all_steps(call: Call) -> int:
    """The work of a back end that computes every step of every row."""
    return call.x.shape[0] * call.x.shape[1] * call.directions


@dataclass(frozen=True)
class Backend:
    """One way to run a call.

    run     -> [y, state...]: y (B, T, D*H), zero on the steps past each row's length, in time-major memory where there
            are no lengths; then the state after each row's last live step, laid out as `Call.state`
    cannot  why it cannot take a call, in words, or None
    slow    why another one is likely to be faster though it can, in words, or None; "auto" then passes it over
    masks   whether it applies `Call.masks`; one that does not say so is never given any
    work    how many steps of rows it computes for a call, dead ones too, in all directions
    """

    name: str
    run: Callable[[Call], list[Tensor]]
    cannot: Callable[[Call], str | None]
    slow: Callable[[Call], str | None] = lambda call: None
    masks: bool = False
    work: Callable[[Call], int] = all_steps

    def refuses(self, call: Call) -> str | None:
        """Why it cannot take a call, in words, or None."""
        if call.masks and not self.masks:
            return f"{self.name} has no place for the masks of recurrent_dropout and zoneout, which act on each step"
        return self.cannot(call)


_watching: list[list[str]] = []


def note(backend: str) -> None:
    """Called by each back end as it starts, so that `watch` tells what ran and not what was meant to run."""
    for ran in _watching:
        ran.append(backend)


@contextmanager
def watch() -> Iterator[list[str]]:
    """`with watch() as ran:` fills `ran` with the name of the back end of every call that runs inside."""
    ran: list[str] = []
    _watching.append(ran)
    try:
        yield ran
    finally:
        _watching[:] = [other for other in _watching if other is not ran]
