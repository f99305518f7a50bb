"""Numerical agreement of all variants of the computation on this machine: the comparison that `recurra selfcheck` prints.

The reference is the Python loop in float64, on a batch of sequences of different lengths. Each registered cell is computed by
each backend, with one sequence at a time, in chunks of time steps, with one thread, and on the GPU if there is one, in
float32 and float64. The outputs, the final state and every gradient are compared.
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
INPUT_SIZE, HIDDEN_SIZE = 7, 33  # not multiples of the width of a vector register
ERROR_FACTOR = 8  # another order of summation may have this multiple of the rounding error of the Python loop
MIN_ROUNDINGS = 64  # errors of this many units of machine precision are always accepted


class Agreement(NamedTuple):
    """The agreement of one variant with the reference: the number of equal decimal digits of the worst value."""

    cell: str
    variant: str
    digits: float
    required: float

    @property
    def agrees(self) -> bool:
        """Whether the number of equal digits is at least the required one."""
        return self.digits >= self.required


class Variant(NamedTuple):
    """A variant of the computation: its name, the function that calls the layer, the backend, the threads and the device."""

    name: str
    run: Callable[..., Any] = run_whole
    backend: str = "auto"
    threads: int | None = None
    device: str = "cpu"


_LOOP = Variant("loop", backend="reference")


def variants() -> list[Variant]:
    """Return the variants that this machine supports. The Python loop is the first."""
    found = [_LOOP]
    found += [Variant(backend.name, backend=backend.name) for backend in ops.BACKENDS if backend.name != "reference"]
    found += [Variant("batch of 1", run_alone), Variant("chunks", run_in_chunks)]
    if torch.get_num_threads() > 1:
        found.append(Variant("1 thread", threads=1))
    if torch.cuda.is_available():
        found.append(Variant("gpu", device="cuda"))
    return found


def agreements(dtype: torch.dtype) -> Iterator[Agreement]:
    """Yield the agreement of each variant for each registered cell; variants that do not support the call are omitted."""
    for name in cells.names():
        for bidirectional in (True, False):
            with torch.random.fork_rng(devices=[]), torch.enable_grad():
                torch.manual_seed(0)
                layer = nn.Recurrent(name, INPUT_SIZE, HIDDEN_SIZE, bidirectional=bidirectional, dtype=torch.float64)
                x = torch.randn(len(LENGTHS), max(LENGTHS), INPUT_SIZE, dtype=torch.float64)
                initial = layer.initial_state(len(LENGTHS)).map(lambda part: torch.rand_like(part) - 0.5)
            reference = _run(_LOOP, layer, x, initial, torch.float64)
            float32_error = _error(_run(_LOOP, layer, x, initial, torch.float32), reference)
            precision = torch.finfo(dtype).eps
            accepted = (
                ERROR_FACTOR * float32_error * precision / torch.finfo(torch.float32).eps + MIN_ROUNDINGS * precision
            )
            label = f"{name}, bidirectional" if bidirectional else name
            for variant in variants():
                if (variant.run is run_in_chunks and bidirectional) or not _is_supported(variant, layer, x, dtype):
                    continue
                error = _error(_run(variant, layer, x, initial, dtype), reference)
                yield Agreement(label, variant.name, _digits(error), _digits(accepted))


def _is_supported(variant: Variant, layer: nn.Recurrent, x: Tensor, dtype: torch.dtype) -> bool:
    call = copy.deepcopy(layer).to(dtype)._call(0, x.to(dtype), None, ())
    return all(backend.unsupported_reason(call) is None for backend in ops.BACKENDS if backend.name == variant.backend)


def _run(variant: Variant, layer: nn.Recurrent, x: Tensor, initial: nn.State, dtype: torch.dtype) -> Outcome:
    other = copy.deepcopy(layer).to(variant.device, dtype)
    other.backend = variant.backend
    with threads(variant.threads):
        lengths = torch.tensor(LENGTHS)
        outcome = outcome_of(
            variant.run, other, x.to(variant.device, dtype), initial.to(variant.device, dtype), lengths
        )
    return {name: tensor.cpu().double() for name, tensor in outcome.items()}


def _error(outcome: Outcome, reference: Outcome) -> float:
    return max(distance(outcome[name], tensor) / magnitude(tensor) for name, tensor in reference.items())


def _digits(error: float) -> float:
    return -math.log10(error) if error else math.inf
