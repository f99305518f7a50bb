"""One call of a cell over time: what every backend receives and returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..cells import Cell


class Call(NamedTuple):
    """A layer of `cell` over the time steps of `x`, in one direction or in both.

    x         (B, T, I)
    lengths   (B,) int64, on the device of x; None if every sequence has length T
    state     the initial state: the components of the forward direction, then those of the reverse direction, (B, size) each;
              empty for zeros
    weights   the parameters in the order of the cell: the forward direction, then the reverse direction
    masks     recurrent dropout and zoneout; empty for none. For each direction, first the recurrent dropout mask (B, H), by
              which h is multiplied before the gates read it. Then for each state component its zoneout mask, the fraction
              that keeps its old value, (T, B, size) or (1, 1, 1). A tensor without elements stands for no mask.
    time_first  whether y is (T, B, D*H) instead of (B, T, D*H); an operator ignores it
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
    time_first: bool = False

    @property
    def arguments(self) -> tuple[Any, ...]:
        """Those of the operator of the cell, without options and backend."""
        return self[1:-1]

    @property
    def directions(self) -> int:
        """2 for a bidirectional call, otherwise 1."""
        return 2 if self.bidirectional else 1

    @property
    def sizes(self) -> list[int]:
        """The features of each state component; the first is also the number of features of y in one direction."""
        return list(self.cell.state_sizes(self.hidden_size).values())

    @property
    def needs_gradient(self) -> bool:
        """Whether a backward pass may follow."""
        return torch.is_grad_enabled() and any(t.requires_grad for t in (self.x, *self.state, *self.weights))

    def one_direction(self, d: int) -> Call:
        """The same call with the parameters, initial state and masks of direction `d` only."""

        def part(tensors: Sequence[Tensor]) -> Sequence[Tensor]:
            n = len(tensors) // self.directions
            return tensors[d * n : (d + 1) * n]

        return self._replace(
            state=part(self.state), weights=part(self.weights), masks=part(self.masks), bidirectional=False
        )


def padded_steps(call: Call) -> int:
    """The work of a backend that computes every time step of every sequence, padding included."""
    return call.x.shape[0] * call.x.shape[1] * call.directions


@dataclass(frozen=True)
class Backend:
    """One way to run a call.

    run             returns [y, state...]: y is (B, T, D*H), or (T, B, D*H) with `time_first`, and zero in the padding. A y
                    (B, T, D*H) is time-major in memory without lengths, and batch-major with lengths. Then follows the final
                    state, after the last valid time step of each sequence, in the layout of `Call.state`. No result is a view,
                    so that the caller may change and detach each of them in place.
    unsupported     returns the reason why this backend cannot run a call, or None. It need not check `cells` and masks.
    cells           the cells that it has kernels for; empty if it runs any cell
    heuristic_skip  returns the reason why another backend is probably faster, or None. Then "auto" skips this one, unless
                    the table of timings decides.
    supports_masks  whether it applies `Call.masks`
    computed_steps  the number of time steps that it computes for a call, in all sequences and directions
    """

    name: str
    run: Callable[[Call], list[Tensor]]
    unsupported: Callable[[Call], str | None]
    cells: tuple[type[Cell], ...] = ()
    heuristic_skip: Callable[[Call], str | None] = lambda call: None
    supports_masks: bool = False
    computed_steps: Callable[[Call], int] = padded_steps

    def unsupported_reason(self, call: Call) -> str | None:
        """Why this backend cannot run a call, or None."""
        if self.cells and type(call.cell) not in self.cells:
            known = ", ".join(cell.name for cell in self.cells)
            return f"{self.name} has kernels for {known}, not for {call.cell.name}"
        if call.masks and not self.supports_masks:
            return (
                f"{self.name} does not support the masks of recurrent_dropout and zoneout, which act on each time step"
            )
        return self.unsupported(call)


_watchers: ContextVar[tuple[list[str], ...]] = ContextVar("recurra_back_end_watchers", default=())


def record_run(backend: str) -> None:
    """Every backend calls this when it starts, so that `watch` reports what ran and not what was planned."""
    if torch.compiler.is_compiling():  # nothing runs yet
        return
    for ran in _watchers.get():
        ran.append(backend)


@contextmanager
def watch() -> Iterator[list[str]]:
    """`with watch() as ran:` appends to `ran` the name of the backend of every call inside the block.

    Calls in other threads and in other asyncio tasks are not recorded.
    """
    ran: list[str] = []
    _watchers.set((*_watchers.get(), ran))
    try:
        yield ran
    finally:
        _watchers.set(tuple(other for other in _watchers.get() if other is not ran))
