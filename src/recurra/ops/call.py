"""One call of a cell over time: what every back end receives and gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from torch import Tensor

from ..cells import Cell


class Call(NamedTuple):
    """A layer of `cell` over the time of `x`, in one direction or in both.

    x         (B, T, I)
    lengths   (B,) int64, on the device of x, or None: all rows are T long
    state     the first state: the parts of the forward direction, then those of the reverse one, (B, size) each;
              empty: zeros
    weights   the parameters in the cell's order: the forward direction, then the reverse one
    """

    cell: Cell
    x: Tensor
    lengths: Tensor | None
    state: Sequence[Tensor]
    weights: Sequence[Tensor]
    hidden_size: int
    bias: bool
    bidirectional: bool

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def sizes(self) -> list[int]:
        """The features of each part of the state; the first of them are those of y in one direction."""
        return list(self.cell.state_sizes(self.hidden_size).values())

    def one_direction(self, d: int) -> Call:
        """The same call for the parameters and first state of direction `d` alone."""
        n, s = len(self.weights) // self.directions, len(self.state) // self.directions
        weights, state = self.weights[d * n : (d + 1) * n], self.state[d * s : (d + 1) * s]
        return self._replace(state=state, weights=weights, bidirectional=False)


class Backend(NamedTuple):
    """One way to run a call.

    run      -> [y, state...]: y (B, T, D*H), in time-major memory, zero on the steps past each row's length; then the
             state after each row's last live step, laid out as `Call.state`
    refuses  why it cannot take a call, in words, or None
    """

    name: str
    run: Callable[[Call], list[Tensor]]
    refuses: Callable[[Call], str | None]


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
