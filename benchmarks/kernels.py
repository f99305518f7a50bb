"""Compares the CPU kernels with torch.nn: training steps, forward passes, streams, and training beside a busy process.

    python benchmarks/kernels.py [--only train,forward,share,step,read,streams,load] [--even-if-busy]

The data type is float32, with two threads by default. All functions are timed alternately in this process. A result is the
median over the rounds of the ratio theirs / ours; above 1, recurra is faster. `peak` is the speed of the kernel as a
fraction of the limit of the multiply-add units in the same run. Before the measurement the outputs of both are compared;
if they differ, nothing is timed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator

import torch
from common import add_options, alone, interleave, peak_operations, record, say, stop
from torch import Tensor

from recurra import nn

SIZES = [(32, 128, 128, 128), (32, 400, 100, 128), (32, 128, 256, 256)]  # B, T, I, H
GATES = {"rnn": 1, "gru": 3, "lstm": 4}
WANTED = {
    "train": {"gru": (2.5, 2.5, 2.0), "rnn": (2.0, 2.0, 2.0), "lstm": (1.2, 1.2, 1.2)},
    "forward": {"gru": (3.0, 3.0, 3.0), "rnn": (3.0, 3.0, 3.0), "lstm": (1.1, 1.1, 1.1)},
}
STEPS = {("lstm", "layer"): 12.0, ("lstm", "cell"): 4.0, ("gru", "layer"): 7.0, ("gru", "cell"): 4.0}
STREAMS = {"gru": 2.0, "lstm": 1.3}
READ = 0.8  # time to read the weights once / ours
INT8 = 3.0
SHARE = 0.65  # fraction of the limit of the multiply-add units, forward
SLOWED = 8.0  # theirs / ours beside a busy process
Line = tuple[str, float, float, float | None]  # name, ratio, target, fraction of the peak


def pair(cell: str, I: int, H: int) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Return the layer of torch.nn and that of recurra with the same weights."""
    torch.manual_seed(0)
    theirs, ours = (getattr(module, cell.upper())(I, H, batch_first=True) for module in (torch.nn, nn))
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def check() -> None:
    """Check that both layers have the same outputs up to rounding in float32, and that the native kernels are used."""
    for cell in GATES:
        theirs, ours = pair(cell, 20, 33)
        x = torch.randn(5, 17, 20)
        off = (theirs(x)[0] - ours(x)[0]).abs().max().item()
        if off > 1e-5:
            stop(f"{cell}: the outputs of recurra and torch.nn differ by {off:.1e}; nothing is timed")
        if (runs := ours.plan(x).runs) != "native":
            stop(f"{cell}: backend {runs!r} would be used instead of the native kernels:\n{ours.plan(x)}")


def training(layer: torch.nn.Module, x: Tensor, grad: Tensor) -> Callable[[], object]:
    """Return a function that takes a training step with the output gradient `grad`."""

    def step() -> None:
        layer.zero_grad()
        x.grad = None
        layer(x)[0].backward(grad)

    return step


def forward(layer: torch.nn.Module, x: Tensor) -> Callable[[], object]:
    """Return a function that computes a forward pass without gradients."""

    def run() -> None:
        with torch.no_grad():
            layer(x)

    return run


def sequences(kind: str, peak: float) -> Iterator[Line]:
    """Measure training steps (`train`) or forward passes (`forward`) on sequences."""
    for cell, gates in GATES.items():
        for (B, T, I, H), wanted in zip(SIZES, WANTED[kind][cell], strict=True):
            theirs, ours = pair(cell, I, H)
            x = torch.randn(B, T, I, requires_grad=kind == "train")
            grad = torch.randn(B, T, H)
            make = (lambda layer: training(layer, x, grad)) if kind == "train" else (lambda layer: forward(layer, x))  # noqa: B023
            times = interleave({"ours": make(ours), "theirs": make(theirs)}, rounds=11, warm=2)
            operations = 2 * B * T * gates * H * (I + H) * (3 if kind == "train" else 1)
            share = operations / times.median("ours") / peak
            yield f"{kind} {cell} B={B} T={T} I={I} H={H}", times.ratio("theirs", "ours"), wanted, share


def shares(peak: float) -> Iterator[Line]:
    """Measure the forward pass as a fraction of the limit of the multiply-add units."""
    for cell in ("gru", "lstm"):
        for B in (32, 64):
            for H in (256, 512):
                _, ours = pair(cell, H, H)
                x = torch.randn(B, 64, H)
                seconds = interleave({"ours": forward(ours, x)}, rounds=11, warm=2).median("ours")
                share = 2 * B * 64 * GATES[cell] * H * 2 * H / seconds / peak
                yield f"forward {cell} B={B} H={H}, back end {ours.plan(x).runs}, of peak", share, SHARE, share


def single_steps() -> Iterator[Line]:
    """Measure single time steps of one stream with one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    many = 300
    for cell in ("lstm", "gru"):
        for H in (64, 128):
            theirs, ours = pair(cell, H, H)
            module = getattr(torch.nn, f"{cell.upper()}Cell")(H, H)
            stepper = nn.Stepper(ours)
            x, row = torch.randn(1, 1, H), torch.randn(1, H)

            def by(step: Callable[[], object]) -> Callable[[], object]:
                def run() -> None:
                    with torch.inference_mode():
                        for _ in range(many):
                            step()

                return run

            start = torch.zeros(1, H)
            state = (start, start) if cell == "lstm" else start
            first = torch.zeros(1, 1, H)
            layer_state = (first, first) if cell == "lstm" else first
            made = {
                "ours": by(stepper.step),
                "layer": by(lambda: theirs(x, layer_state)),  # noqa: B023
                "cell": by(lambda: module(row, state)),  # noqa: B023
                "our layer": by(lambda: ours(x, layer_state)),  # noqa: B023
            }
            times = interleave(made, rounds=9)
            for other in ("layer", "cell"):
                yield f"one step {cell} H={H}, torch.nn {other}", times.ratio(other, "ours"), STEPS[cell, other], None
            yield f"one step {cell} H={H}, our layer against torch.nn's", times.ratio("layer", "our layer"), 3.0, None
    torch.set_num_threads(threads)


def weights_read() -> Iterator[Line]:
    """Measure single time steps relative to one read of the weights, and with int8 weights relative to float32."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for cell in ("lstm", "gru"):
        for H in (256, 512):
            _, ours = pair(cell, H, H)
            weights, vector, product = (
                torch.randn(GATES[cell] * H, 2 * H),
                torch.randn(2 * H),
                torch.empty(GATES[cell] * H),
            )
            read = lambda: torch.mv(weights, vector, out=product)  # noqa: B023, E731
            times = interleave({"ours": nn.Stepper(ours).step, "read": read}, rounds=301, warm=9)
            yield f"one step {cell} H={H}, reading its weights once", times.ratio("read", "ours"), READ, None
    for cell in ("lstm", "gru"):
        for H in (512, 1024):
            _, ours = pair(cell, H, H)
            made = {"float32": nn.Stepper(ours).step, "int8": nn.Stepper(ours, int8=True).step}
            times = interleave(made, rounds=101, warm=3)
            yield f"one step {cell} H={H}, int8 against float32", times.ratio("float32", "int8"), INT8, None
    torch.set_num_threads(threads)


def many_streams(peak: float) -> Iterator[Line]:
    """Measure single time steps of many concurrent streams."""
    B, H = 1000, 128
    for cell, wanted in STREAMS.items():
        theirs, ours = pair(cell, H, H)
        stepper = nn.Stepper(ours, B)
        x, first = torch.randn(B, 1, H), torch.zeros(1, B, H)
        state = (first, first) if cell == "lstm" else first

        def batch() -> None:
            with torch.inference_mode():
                theirs(x, state)  # noqa: B023

        times = interleave({"ours": stepper.step, "theirs": batch}, rounds=21, warm=3)
        share = 2 * B * GATES[cell] * H * 2 * H / times.median("ours") / peak
        yield f"{B} streams {cell} H={H}", times.ratio("theirs", "ours"), wanted, share


def beside_a_neighbour() -> Iterator[Line]:
    """Measure training steps of an LSTM while another process uses one core."""
    theirs, ours = pair("lstm", 128, 128)
    x, grad = torch.randn(32, 128, 128, requires_grad=True), torch.randn(32, 128, 128)
    made = {"ours": training(ours, x, grad), "theirs": training(theirs, x, grad)}
    quiet = interleave(made, rounds=7)
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as neighbor:
        try:
            loud = interleave(made, rounds=7)
        finally:
            neighbor.kill()
    yield "train lstm beside a busy process", loud.ratio("theirs", "ours"), SLOWED, None
    yield "  and how much ours keeps of its speed", quiet.median("ours") / loud.median("ours"), 1 / 2.2, None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only",
        default="train,forward,share,step,read,streams,load",
        help="Parts of the benchmark, separated by commas.",
    )
    parser.add_argument("--threads", type=int, default=2, help="Number of CPU threads (2).")
    add_options(parser)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    figures: dict[str, dict[str, float | bool | None]] = {}
    with alone(options.even_if_busy) as watch:
        check()
        peak = peak_operations(options.threads)
        say(f"multiply-add units: {peak / 1e9:.0f} GFLOP/s with {options.threads} threads")
        parts: dict[str, Callable[[], Iterator[Line]]] = {
            "train": lambda: sequences("train", peak),
            "forward": lambda: sequences("forward", peak),
            "share": lambda: shares(peak),
            "step": single_steps,
            "read": weights_read,
            "streams": lambda: many_streams(peak),
            "load": beside_a_neighbour,
        }
        print(f"{'':<52}{'ratio':>8}{'target':>9}{'peak':>7}")
        for name in options.only.split(","):
            if name not in parts:
                stop(f"there is no part {name!r}; the parts are {', '.join(parts)}")
            for what, ratio, wanted, share in parts[name]():
                met = ratio >= wanted
                figures[what.strip()] = {"ratio": round(ratio, 3), "wanted": wanted, "met": met, "peak": share}
                shown = f"{share:>7.0%}" if share is not None else " " * 7
                print(f"{what:<52}{ratio:>7.2f}x{wanted:>8.2f}x{shown}{'' if met else '  MISSED'}", flush=True)
        record("kernels", figures | {"peak": {"gflops": peak / 1e9}}, watch=watch, threads=options.threads)


if __name__ == "__main__":
    main()
