"""Measures the table of what is fastest where on this machine: `recurra bench`."""

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
from .timings import Kind, Point

CELLS = ("rnn", "gru", "lstm")
# B, T, H. Single steps and short chunks first, then what training and batches look like.
SIZES = (
    (1, 1, 64), (1, 1, 512), (8, 1, 128), (32, 1, 128), (1, 4, 128), (1, 32, 128), (8, 8, 128),
    (4, 64, 64), (32, 64, 32), (32, 64, 128), (32, 32, 256), (8, 128, 128), (8, 32, 512),
)  # fmt: skip
ROUNDS = 5
LEAST = 0.002  # seconds: a call that takes less is repeated within a round
FEW = 4  # ragged rows are measured from so many steps on


def kinds(names: Sequence[str], threads: Sequence[int]) -> Iterator[tuple[Kind, tuple[int, int, int]]]:
    """What is measured: all kinds of calls of these cells, with so many threads each, at all sizes that make sense."""
    yesno, both = (False, True), (1, 2)
    for cell, training, ragged, directions, count in product(names, yesno, yesno, both, threads):
        for size in SIZES:
            B, T, _ = size
            if (ragged and (T < FEW or B == 1)) or (directions == 2 and T == 1):
                continue
            yield Kind(cell, training, ragged, directions, count), size


def measure(kind: Kind, size: tuple[int, int, int]) -> Point:
    """The seconds of one call by each back end but the plain loop, best of some rounds in turns.

    The best and not the middle: what other processes take away is no property of a back end."""
    call = _call(kind, size)
    able = [backend for backend in BACKENDS[:-1] if backend.refuses(call) is None]
    best: dict[str, float] = {}
    repeats = {}
    with threads(kind.threads):
        for backend in able:
            _seconds(backend.run, call, 1)
            repeats[backend.name] = max(1, min(200, int(LEAST / _seconds(backend.run, call, 1))))
        for _ in range(ROUNDS):
            for backend in able:
                seconds = _seconds(backend.run, call, repeats[backend.name])
                best[backend.name] = min(best.get(backend.name, seconds), seconds)
    return Point(kind, size, {name: float(f"{seconds:.3g}") for name, seconds in best.items()})


def _call(kind: Kind, size: tuple[int, int, int]) -> Call:
    """Weights at initialisation scale, I = H; ragged rows are from an eighth of T to T long."""
    (B, T, H), cell = size, cells.get(kind.cell)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        weights: list[Tensor] = []
        for _ in range(kind.directions):
            params = {name: torch.empty(declared.shape) for name, declared in cell.parameters(H, H, True).items()}
            cell.initialize(params, H, H, True)
            weights += params.values()
        x = torch.randn(B, T, H)
    if kind.training:
        x, weights = x.requires_grad_(), [weight.requires_grad_() for weight in weights]
    lengths = torch.linspace(max(T // 8, 1), T, B).round().long() if kind.ragged else None
    return Call(cell, x, lengths, (), weights, H, True, kind.directions == 2)


def _seconds(run: Any, call: Call, repeats: int) -> float:
    """Seconds of one call, with its backward pass where a gradient is wanted."""
    wanted = [t for t in (call.x, *call.weights) if t.requires_grad]
    grad = torch.ones(*call.x.shape[:2], call.directions * call.hidden_size) if wanted else None
    begin = time.perf_counter()
    with torch.set_grad_enabled(bool(wanted)):
        for _ in range(repeats):
            y = run(call)[0]
            if grad is not None:
                torch.autograd.grad(y, wanted, grad)
    return (time.perf_counter() - begin) / repeats


def facts() -> dict[str, str]:
    """What a table is to say of where it was taken."""
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
