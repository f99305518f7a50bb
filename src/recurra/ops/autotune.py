"""Measures the table of times of the backends on this machine: `recurra bench`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import product
from typing import Any

import torch
from torch import Tensor

from .. import cells
from .call import Call
from .dispatch import BACKENDS
from .native import loader
from .native.stepper import NativeStepper
from .processor import this_processor
from .threads import threads
from .timings import CallSignature, Size, Timing

# The cells for which there is a choice: at least two backends have kernels for them.
CELLS = tuple(cell.name for cell in BACKENDS[0].cells if sum(cell in backend.cells for backend in BACKENDS) > 1)
# B, T, H: single steps and short chunks first, then typical sizes of training and batches.
SIZES = (
    (1, 1, 64), (1, 1, 512), (8, 1, 128), (32, 1, 128), (1, 4, 128), (1, 32, 128), (8, 8, 128),
    (4, 64, 64), (32, 64, 32), (32, 64, 128), (32, 32, 256), (8, 128, 128), (8, 32, 512),
)  # fmt: skip
STEP_SIZES = tuple((B, 1, H) for B, H in product((1, 4, 8), (64, 128, 256, 384, 512, 768, 1024, 1536, 2048)))
# The complete grid. Long sequences of every size are measured for the plain case, and others at every second size.
FULL_H, FULL_B, FULL_T = (8, 16, 32, 64, 128, 256, 512, 1024, 2048), (1, 4, 16, 64, 256), 64
SHORT_T = (1, 8)
FULL_WORK = 2e9  # floating-point operations for each thread; a long sequence of more is cut to a shorter one
ROUNDS, MIN_ROUNDS = 5, 4
MIN_SECONDS = 0.002  # a shorter call is repeated within a round
MAX_SECONDS = 0.5  # longer calls have fewer rounds, but at least MIN_ROUNDS
MIN_RAGGED_STEPS = 4  # variable lengths are measured from this many time steps on

Point = tuple[CallSignature, Size]


def signatures(names: Sequence[str], threads: Sequence[int], full: bool = False) -> Iterator[Point]:
    """The signatures and sizes to measure for these cells and numbers of threads: a few sizes, or the complete grid."""
    yesno, both = (False, True), (1, 2)
    for cell, count in product(names, threads):
        for training, ragged, directions in product(yesno, yesno, both):
            signature = CallSignature(cell, training, ragged, directions, count)
            for size in dict.fromkeys(_full_sizes(signature)) if full else SIZES:
                B, T, _ = size
                if (ragged and (T < MIN_RAGGED_STEPS or B == 1)) or (directions == 2 and T == 1):
                    continue
                yield signature, size
        for size in STEP_SIZES:
            yield CallSignature(f"{cell} step", False, False, 1, count), size


def _full_sizes(signature: CallSignature) -> Iterator[Size]:
    """The sizes of the complete grid for one signature."""
    is_plain = not signature.ragged and signature.directions == 1
    for B, H in product(FULL_B, FULL_H):
        if is_plain or (H in FULL_H[::2] and B in (4, 64)):
            yield B, long_steps(signature, B, H), H
        if is_plain and H in FULL_H[::2] and max(FULL_B) > B:
            for T in SHORT_T:
                yield B, T, H


def long_steps(signature: CallSignature, B: int, H: int) -> int:
    """The number of time steps of a long sequence: FULL_T, or fewer for much work, but enough for the same kernels."""
    gates = max(1, len(cells.get(signature.cell).gates))
    work = 2 * B * gates * H * 2 * H * signature.directions * (3 if signature.training else 1)
    T = FULL_T
    while SHORT_T[-1] < T and T * work > FULL_WORK * signature.threads:
        T //= 2
    return T


def measure(signature: CallSignature, size: Size) -> Timing:
    """The seconds of one call by each backend except the reference: the minimum of interleaved rounds.

    The minimum and not the median, because the time that other processes take is no property of a backend."""
    with threads(signature.threads), torch.set_grad_enabled(signature.training):
        runs = _steps(signature, size) if signature.cell.endswith(" step") else _calls(signature, size)
        best, repeats = {}, {}
        for name, run in runs.items():
            run(1)
            best[name] = run(1)
            repeats[name] = max(1, min(200, int(MIN_SECONDS / best[name])))
        for _ in range(max(MIN_ROUNDS, min(ROUNDS, int(MAX_SECONDS / max(best.values()))))):
            for name, run in runs.items():
                best[name] = min(best[name], run(repeats[name]))
    return Timing(signature, size, {name: float(f"{seconds:.3g}") for name, seconds in best.items()})


Run = Callable[[int], float]  # repeats -> seconds of one call


def _calls(signature: CallSignature, size: Size) -> dict[str, Run]:
    """One function for each backend that supports the call."""
    call = _call(signature, size)
    able = [backend for backend in BACKENDS[:-1] if backend.unsupported_reason(call) is None]
    return {backend.name: partial(_seconds, backend.run, call) for backend in able}


def _steps(signature: CallSignature, size: Size) -> dict[str, Run]:
    """One function for each kernel for single steps."""
    call = _call(signature._replace(cell=signature.cell.removesuffix(" step")), size)

    def seconds(step: Callable[[], None], repeats: int) -> float:
        begin = time.perf_counter()
        for _ in range(repeats):
            step()
        return (time.perf_counter() - begin) / repeats

    return {kernel: partial(seconds, NativeStepper([call], kernel=kernel).run) for kernel in ("packed", "unpacked")}


def _call(signature: CallSignature, size: Size) -> Call:
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
    # Weights are parameters also without training: torch computes plain tensors by other, often slower kernels.
    x, weights = x.requires_grad_(signature.training), [weight.requires_grad_() for weight in weights]
    lengths = torch.linspace(max(T // 8, 1), T, B).round().long() if signature.ragged else None
    return Call(cell, x, lengths, (), weights, H, True, signature.directions == 2)


def _seconds(run: Any, call: Call, repeats: int) -> float:
    """The seconds of one call, with its backward pass if the call needs a gradient."""
    inputs = [call.x, *call.weights] if call.needs_gradient else []
    grad = torch.ones(*call.x.shape[:2], call.directions * call.hidden_size) if inputs else None
    begin = time.perf_counter()
    for _ in range(repeats):
        y = run(call)[0]
        if grad is not None:
            torch.autograd.grad(y, inputs, grad)
    return (time.perf_counter() - begin) / repeats


def metadata() -> dict[str, Any]:
    """The description of this machine that a table contains."""
    processor = this_processor()
    return {
        "machine": f"{processor.name}, {loader.state_of_kernels()}",
        "torch": str(torch.__version__),
        "date": datetime.now(UTC).date().isoformat(),
        "processor": processor._asdict(),
    }
