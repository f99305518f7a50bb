"""One row of 4,000 steps beside 63 of 50: a training step on all of them, against the two groups run apart.

    python benchmarks/extreme.py [--cells rnn,gru,lstm] [--even-if-busy]

Forward and backward of one layer, I = H = 128, float32; 3 % of the padded steps live. Time: medians of ratios, steps run
in turns. Memory: by how much the peak of the process rises above what stood before the step, x aside, against the sum of
the groups' rises. Both may be LIMIT times the groups'.
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
    """A training step with a gradient from each step of y."""
    with torch.no_grad():
        gradient = torch.randn_like(layer(x, lengths=lengths)[0])

    def run() -> None:
        layer.zero_grad()
        x.grad = None
        layer(x, lengths=lengths)[0].backward(gradient)

    return run


def time_ratio(cell: str, bidirectional: bool, rounds: int) -> float:
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
    """A line of this process's memory, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def rise(cell: str, bidirectional: bool, shape: tuple[int, int], lengths: list[int] | None) -> int:
    """Bytes by which one training step raises the peak of a fresh process; x is there before, and y's gradient is
    one number for all of it."""
    layer = nn.Recurrent(cell, I, H, bidirectional=bidirectional)
    x = torch.randn(*shape, I, requires_grad=True)
    given = None if lengths is None else torch.tensor(lengths)
    layer(x, lengths=given)[0].sum().backward()  # code is read in and buffers are made once
    x.grad = None
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = status("VmRSS")
    layer(x, lengths=given)[0].sum().backward()
    return status("VmHWM") - before


def memory_ratio(cell: str, bidirectional: bool) -> float:
    calls = [((len(LENGTHS), max(LENGTHS)), LENGTHS), *((group, None) for group in GROUPS)]
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        ours, *apart = [pool.apply(rise, (cell, bidirectional, shape, lengths)) for shape, lengths in calls]
    return ours / sum(apart)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", default="rnn,gru,lstm", help="with commas")
    parser.add_argument("--rounds", type=int, default=9, help="timed rounds")
    add_options(parser)
    options = parser.parse_args()
    figures: dict[str, dict[str, float | bool]] = {}
    with alone(options.even_if_busy) as watch:
        print(f"cell  directions    time  memory   wanted <= {LIMIT}")
        for cell in options.cells.split(","):
            for directions in (1, 2):
                say(f"{cell}, {directions} of 2 directions")
                time, memory = time_ratio(cell, directions == 2, options.rounds), memory_ratio(cell, directions == 2)
                met = max(time, memory) <= LIMIT
                figures[f"{cell}/{directions}"] = {"time": round(time, 3), "memory": round(memory, 3), "met": met}
                print(
                    f"{cell:<5} {directions:>10}  {time:>5.2f}x  {memory:>5.2f}x{'' if met else '  MISSED'}", flush=True
                )
        record("extreme", figures, watch=watch, threads=torch.get_num_threads())


if __name__ == "__main__":
    main()
