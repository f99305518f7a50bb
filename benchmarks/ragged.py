"""Compares a training step of recurra on variable-length sequences with padded and packed torch.nn.

    python benchmarks/ragged.py [--cells lstm,gru] [--even-if-busy]

A step is the forward and backward pass of one bidirectional layer, B = 64, I = H = 128, float32, with lengths uniformly
distributed in T/4..T. Recurra receives the lengths and is compared with

padded   torch.nn on all T time steps of all sequences, T = 1000; the time may be at most LIMITS["padded"] times this
live     recurra on sequences of equal length with the same number of valid time steps, T = 1000; at most LIMITS["live"] times
packed   torch.nn on a PackedSequence, T = 125, 250, 500; recurra must be at least FASTER[T] times faster

The packed step takes more and more time as T increases, so that it is timed once for T = 500. The steps run alternately,
and the results are medians of ratios.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from common import add_options, alone, interleave, record, say
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from recurra import nn

B, I, H = 64, 128, 128
LIMITS = {"padded": 1 / 1.6, "live": 1.25}
FASTER = {125: 8.0, 250: 14.0, 500: 24.0}


def steps(cell: str, T: int) -> dict[str, Callable[[], object]]:
    """Return the training steps by name, with the same weights, sequences and output gradients."""
    torch.manual_seed(0)
    name = cell.upper()
    theirs = getattr(torch.nn, name)(I, H, bidirectional=True, batch_first=True)
    ours = getattr(nn, name)(I, H, bidirectional=True, batch_first=True)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(B, T, I, requires_grad=True)
    lengths = torch.randint(T // 4, T + 1, (B,))
    lengths[0] = T  # so that the packed output is padded to T
    grad = torch.randn(B, T, 2 * H)

    def backward(layer: torch.nn.Module, y: Tensor) -> None:
        layer.zero_grad()
        x.grad = None
        y.backward(grad)

    mean = round(lengths.float().mean().item())
    even, even_grad = x.detach()[:, :mean].clone().requires_grad_(), grad[:, :mean].contiguous()

    def live() -> None:
        ours.zero_grad()
        even.grad = None
        ours(even)[0].backward(even_grad)

    def packed() -> Tensor:
        rows = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(theirs(rows)[0], batch_first=True)[0]

    return {
        "ours": lambda: backward(ours, ours(x, lengths=lengths)[0]),
        "live": live,
        "padded": lambda: backward(theirs, theirs(x)[0]),
        "packed": lambda: backward(theirs, packed()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", default="lstm,gru", help="Cells, separated by commas (lstm,gru).")
    parser.add_argument(
        "--rounds", type=int, default=5, help="Number of timed rounds of the comparisons padded and live (5)."
    )
    add_options(parser)
    options = parser.parse_args()
    figures: dict[str, dict[str, float | bool]] = {}
    with alone(options.even_if_busy) as watch:
        print("cell    T  against   ours s  other s    ratio  target")
        for cell in options.cells.split(","):
            for T, other in (*((1000, other) for other in LIMITS), *((T, "packed") for T in FASTER)):
                say(f"{cell}, T = {T}, compared with {other}")
                made = steps(cell, T)
                rounds, warm = (options.rounds, 1) if other in LIMITS else (1, 0) if T == 500 else (3, 1)
                if not warm:
                    made["ours"]()
                times = interleave({name: made[name] for name in ("ours", other)}, rounds=rounds, warm=warm)
                if other in LIMITS:
                    ratio, wanted = times.ratio("ours", other), f"<= {LIMITS[other]:g}"
                    met = ratio <= LIMITS[other]
                else:
                    ratio, wanted = times.ratio(other, "ours"), f">= {FASTER[T]:g}"
                    met = ratio >= FASTER[T]
                figures[f"{cell}/{other}/{T}"] = {"ratio": round(ratio, 3), "met": met}
                seconds = f"{times.median('ours'):>7.3f}  {times.median(other):>7.3f}"
                missed = "" if met else "  MISSED"
                print(f"{cell:<5}{T:>5}  {other}  {seconds}  {ratio:>6.2f}x  {wanted}{missed}", flush=True)
        record("ragged", figures, watch=watch, threads=torch.get_num_threads())


if __name__ == "__main__":
    main()
