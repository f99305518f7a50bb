"""Compares a training step on one sequence of 4,000 time steps and 63 of 50 with separate steps on the two groups.

    python benchmarks/extreme.py [--cells rnn,gru,lstm] [--even-if-busy]

A step is the forward and backward pass of one layer, I = H = 128, float32; 3 % of the padded time steps are valid. The time is
the median of the ratios, and the steps run alternately. The memory is the increase of the peak memory of the process during the
step, without x, divided by the sum of the increases of the two groups. The limit of both ratios is LIMIT.
"""

from __future__ import annotations

import argparse
import ctypes
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import torch
from common import add_options, alone, interleave, record, say
from torch import Tensor

from recurra import nn

LENGTHS, I, H, LIMIT = [4000] + [50] * 63, 128, 128, 1.3
GROUPS = ((1, 4000), (63, 50))


def step(layer: nn.Recurrent, x: Tensor, lengths: Tensor | None) -> Callable[[], None]:
    """Return a function that takes a training step with a gradient at each time step of y."""
    with torch.no_grad():
        gradient = torch.randn_like(layer(x, lengths=lengths)[0])

    def run() -> None:
        layer.zero_grad()
        x.grad = None
        layer(x, lengths=lengths)[0].backward(gradient)

    return run


def time_ratio(cell: str, bidirectional: bool, rounds: int) -> float:
    """Return the time of a step on all sequences divided by the time of the steps on the two groups."""
    torch.manual_seed(0)
    layer = nn.Recurrent(cell, I, H, bidirectional=bidirectional)
    lengths = torch.tensor(LENGTHS)
    ours = step(layer, torch.randn(len(LENGTHS), max(LENGTHS), I, requires_grad=True), lengths)
    long, short = (step(layer, torch.randn(*group, I, requires_grad=True), None) for group in GROUPS)

    def apart() -> None:
        long()
        short()

    return interleave({"ours": ours, "apart": apart}, rounds=rounds).ratio("ours", "apart")


def status(name: str) -> int:
    """Return an entry of the memory status of this process, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def rise(cell: str, bidirectional: bool, shape: tuple[int, int], lengths: list[int] | None) -> int:
    """Return the number of bytes by which one training step increases the peak memory of a new process.

    x is allocated before the measurement, and the gradient of y is one expanded number.
    """
    layer = nn.Recurrent(cell, I, H, bidirectional=bidirectional)
    x = torch.randn(*shape, I, requires_grad=True)
    lengths_tensor = None if lengths is None else torch.tensor(lengths)
    layer(x, lengths=lengths_tensor)[0].sum().backward()  # loads the code and allocates buffers
    x.grad = None
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = status("VmRSS")
    layer(x, lengths=lengths_tensor)[0].sum().backward()
    return status("VmHWM") - before


def memory_ratio(cell: str, bidirectional: bool) -> float:
    """Return the memory of a step on all sequences divided by the sum of that of the two groups."""
    calls = [((len(LENGTHS), max(LENGTHS)), LENGTHS), *((group, None) for group in GROUPS)]
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        ours, *apart = [pool.apply(rise, (cell, bidirectional, shape, lengths)) for shape, lengths in calls]
    return ours / sum(apart)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", default="rnn,gru,lstm", help="Cells, separated by commas (rnn,gru,lstm).")
    parser.add_argument("--rounds", type=int, default=9, help="Number of timed rounds (9).")
    add_options(parser)
    options = parser.parse_args()
    figures: dict[str, dict[str, float | bool]] = {}
    with alone(options.even_if_busy) as watch:
        print(f"cell  directions    time  memory   target <= {LIMIT}")
        for cell in options.cells.split(","):
            for directions in (1, 2):
                say(f"{cell}, {'bidirectional' if directions == 2 else 'unidirectional'}")
                time, memory = time_ratio(cell, directions == 2, options.rounds), memory_ratio(cell, directions == 2)
                met = max(time, memory) <= LIMIT
                figures[f"{cell}/{directions}"] = {"time": round(time, 3), "memory": round(memory, 3), "met": met}
                print(
                    f"{cell:<5} {directions:>10}  {time:>5.2f}x  {memory:>5.2f}x{'' if met else '  MISSED'}", flush=True
                )
        record("extreme", figures, watch=watch, threads=torch.get_num_threads())


if __name__ == "__main__":
    main()
