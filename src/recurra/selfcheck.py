"""Whether this machine gives the same numbers whichever way they are computed: what `recurra selfcheck` shows.

A layer of each registered cell, on rows of different length, is run by the plain loop in float64. Then in every other way:
by each back end, in one row at a time, in pieces of time, with one thread, on the GPU where there is one; in float32 and in
float64. Compared are the outputs, the last state and every gradient.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from . import cells, nn, ops
from .ops.threads import threads
from .testing.invariances import Outcome, outcome_of, run_alone, run_in_chunks, run_whole
from .testing.reporting import distance, magnitude

LENGTHS = (24, 0, 13, 1, 24, 9)
INPUTS, UNITS = 7, 33  # off the width of any vector
TIMES = 8  # what another order of summing may make of the rounding of the plain loop
FEW = 64  # roundings that are always allowed


class Agreement(NamedTuple):
    """How one way of computing agrees with the plain loop in float64, in decimal digits of the worst number."""

    cell: str
    way: str
    digits: float
    wanted: float

    @property
    def agrees(self) -> bool:
        return self.digits >= self.wanted


class Way(NamedTuple):
    """A way of computing: a name, the back end, the function of the layer, the threads and the device."""

    name: str
    run: Callable[..., Any] = run_whole
    backend: str = "auto"
    threads: int | None = None
    device: str = "cpu"


def ways() -> list[Way]:
    """All ways there are here. That of the plain loop comes first."""
    found = [Way("loop", backend="reference")]
    found += [Way(b.name, backend=b.name) for b in ops.BACKENDS if b.name != "reference"]
    found += [Way("rows alone", run_alone), Way("in pieces", run_in_chunks)]
    if torch.get_num_threads() > 1:
        found.append(Way("1 thread", threads=1))
    if torch.cuda.is_available():
        found.append(Way("gpu", device="cuda"))
    return found


def agreements(dtype: torch.dtype) -> Iterator[Agreement]:
    """One for each registered cell and each way that can run it. A way whose back end does not support the call is left out."""
    for name in cells.names():
        for bidirectional in (True, False):
            with torch.random.fork_rng(devices=[]), torch.enable_grad():
                torch.manual_seed(0)
                layer = nn.Recurrent(name, INPUTS, UNITS, bidirectional=bidirectional, dtype=torch.float64)
                x = torch.randn(len(LENGTHS), max(LENGTHS), INPUTS, dtype=torch.float64)
                first = layer.initial_state(len(LENGTHS)).map(lambda part: torch.rand_like(part) - 0.5)
            exact = _run(Way("loop", backend="reference"), layer, x, first, torch.float64)
            loop = _run(Way("loop", backend="reference"), layer, x, first, torch.float32)
            scale = torch.finfo(dtype).eps / torch.finfo(torch.float32).eps
            allowed = TIMES * _off(loop, exact) * scale + FEW * torch.finfo(dtype).eps
            shown = f"{name}, both directions" if bidirectional else name
            for way in ways():
                if (way.run is run_in_chunks and bidirectional) or not _can(way, layer, x, dtype):
                    continue
                off = _off(_run(way, layer, x, first, dtype), exact)
                yield Agreement(shown, way.name, _digits(off), _digits(allowed))


def _can(way: Way, layer: nn.Recurrent, x: Tensor, dtype: torch.dtype) -> bool:
    call = copy.deepcopy(layer).to(dtype)._call(0, x.to(dtype), None, ())
    return all(backend.unsupported_reason(call) is None for backend in ops.BACKENDS if backend.name == way.backend)


def _run(way: Way, layer: nn.Recurrent, x: Tensor, first: nn.State, dtype: torch.dtype) -> Outcome:
    other = copy.deepcopy(layer).to(way.device, dtype)
    other.backend = way.backend
    with threads(way.threads):
        lengths = torch.tensor(LENGTHS)
        found = outcome_of(way.run, other, x.to(way.device, dtype), first.to(way.device, dtype), lengths)
    return {name: tensor.cpu().double() for name, tensor in found.items()}


def _off(ours: Outcome, exact: Outcome) -> float:
    return max(distance(ours[name], tensor) / magnitude(tensor) for name, tensor in exact.items())


def _digits(off: float) -> float:
    return -math.log10(off) if off else math.inf
