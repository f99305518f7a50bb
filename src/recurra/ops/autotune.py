"""Measures the table of times of the backends on this machine: `recurra bench`."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import cells
from .call import Call
from .dispatch import BACKENDS
from .native import loader
from .threads import threads
from .timings import CallSignature, Timing

# The cells for which there is a choice: at least two backends have kernels for them.
CELLS = tuple(cell.name for cell in BACKENDS[0].cells if sum(cell in backend.cells for backend in BACKENDS) > 1)
# B, T, H: single steps and short chunks first, then typical sizes of training and batches.
SIZES = (
    (1, 1, 64), (1, 1, 512), (8, 1, 128), (32, 1, 128), (1, 4, 128), (1, 32, 128), (8, 8, 128),
    (4, 64, 64), (32, 64, 32), (32, 64, 128), (32, 32, 256), (8, 128, 128), (8, 32, 512),
)  # fmt: skip
ROUNDS = 5
MIN_SECONDS = 0.002  # a shorter call is repeated within a round
MIN_RAGGED_STEPS = 4  # variable lengths are measured from this many time steps on


def signatures(names: Sequence[str], threads: Sequence[int]) -> Iterator[tuple[CallSignature, tuple[int, int, int]]]:
    """The signatures and sizes to measure for these cells and numbers of threads."""
    yesno, both = (False, True), (1, 2)
    for cell, training, ragged, directions, count in product(names, yesno, yesno, both, threads):
        for size in SIZES:
            B, T, _ = size
            if (ragged and (T < MIN_RAGGED_STEPS or B == 1)) or (directions == 2 and T == 1):
                continue
            yield CallSignature(cell, training, ragged, directions, count), size


def measure(signature: CallSignature, size: tuple[int, int, int]) -> Timing:
    """The seconds of one call by each backend except the reference: the minimum of interleaved rounds.

    The minimum and not the median, because the time that other processes take is no property of a backend."""
    call = _call(signature, size)
    able = [backend for backend in BACKENDS[:-1] if backend.unsupported_reason(call) is None]
    best: dict[str, float] = {}
    repeats = {}
    with threads(signature.threads):
        for backend in able:
            _seconds(backend.run, call, 1)
            repeats[backend.name] = max(1, min(200, int(MIN_SECONDS / _seconds(backend.run, call, 1))))
        for _ in range(ROUNDS):
            for backend in able:
                seconds = _seconds(backend.run, call, repeats[backend.name])
                best[backend.name] = min(best.get(backend.name, seconds), seconds)
    return Timing(signature, size, {name: float(f"{seconds:.3g}") for name, seconds in best.items()})


def _call(signature: CallSignature, size: tuple[int, int, int]) -> Call:
    """A call with weights at initialization scale and I = H; variable lengths are between T / 8 and T."""
    (B, T, H), cell = size, cells.get(signature.cell)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        weights: list[Tensor] = []
        for _ in range(signature.directions):
            params = {name: torch.empty(declared.shape) for name, declared in cell.parameters(H, H, True).items()}
            cell.initialize(params, H, H, True)
            weights += params.values()
        x = torch.randn(B, T, H)
    if signature.training:
        x, weights = x.requires_grad_(), [weight.requires_grad_() for weight in weights]
    lengths = torch.linspace(max(T // 8, 1), T, B).round().long() if signature.ragged else None
    return Call(cell, x, lengths, (), weights, H, True, signature.directions == 2)


def _seconds(run: Any, call: Call, repeats: int) -> float:
    """The seconds of one call, with its backward pass if the call needs a gradient."""
    inputs = [t for t in (call.x, *call.weights) if t.requires_grad]
    grad = torch.ones(*call.x.shape[:2], call.directions * call.hidden_size) if inputs else None
    begin = time.perf_counter()
    with torch.set_grad_enabled(bool(inputs)):
        for _ in range(repeats):
            y = run(call)[0]
            if grad is not None:
                torch.autograd.grad(y, inputs, grad)
    return (time.perf_counter() - begin) / repeats


def metadata() -> dict[str, str]:
    """The description of this machine that a table contains."""
    return {
        "machine": f"{_processor()}, {loader.state_of_kernels()}",
        "torch": str(torch.__version__),
        "date": datetime.now(UTC).date().isoformat(),
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
