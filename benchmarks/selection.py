"""Measures the layers with `backend="auto"` against torch.nn on the grid of the table of timings.

    python benchmarks/selection.py [--threads 1 --threads 2] [--cells rnn,gru,lstm] [--even-if-busy]

T = 64, or fewer time steps where 64 would take too long; I = H, float32, one direction, sequences of equal length. The layer
and torch.nn are timed alternately in this process. A result is the median over the rounds of the ratio theirs / ours; above 1,
recurra is faster. Every result should be at least 0.97; a size below that is measured again with 31
rounds, whose median counts. It takes about 20 minutes.
"""

from __future__ import annotations

import argparse

import torch
from common import add_options, alone, interleave, record, say
from kernels import forward, pair, training

from recurra.ops import autotune, timings

WANTED = 0.97
ROUNDS_OF_MISSED = 31
MAX_SECONDS = 1.0  # of all rounds of a size, if there are more than three


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--threads", type=int, action="append", help="Number of CPU threads; can be repeated (1 and 2)."
    )
    parser.add_argument("--only", nargs="*", default=[], help="Names of sizes to measure, as printed; all by default.")
    parser.add_argument("--cells", default="rnn,gru,lstm", help="Cells, separated by commas.")
    add_options(parser)
    options = parser.parse_args()
    figures: dict[str, dict[str, float | str]] = {}
    say(f"timings: {timings.state_of_table()}")
    with alone(options.even_if_busy) as watch:
        for signature, (B, T, H) in autotune.signatures(options.cells.split(","), options.threads or [1, 2], full=True):
            if signature.ragged or signature.directions == 2 or signature.cell.endswith(" step"):
                continue
            if T in autotune.SHORT_T and autotune.long_steps(signature, B, H) != T:
                continue
            kind = "training" if signature.training else "forward"
            name = f"{signature.cell} {kind} threads={signature.threads} B={B} T={T} H={H}"
            if options.only and name not in options.only:
                continue
            torch.set_num_threads(signature.threads)
            theirs, ours = pair(signature.cell, H, H)
            x, grad = torch.randn(B, T, H, requires_grad=signature.training), torch.randn(B, T, H)
            layers = {"ours": ours, "theirs": theirs}
            made = {
                name: training(layer, x, grad) if signature.training else forward(layer, x)
                for name, layer in layers.items()
            }
            once = interleave(made, rounds=1, warm=1)
            rounds = max(3, min(15, int(MAX_SECONDS / (once.median("ours") + once.median("theirs")))))
            times = interleave(made, rounds=rounds, warm=0)
            if times.ratio("theirs", "ours") < WANTED:  # a median of few rounds varies by a tenth
                times = interleave(made, rounds=ROUNDS_OF_MISSED, warm=0)
            ratio = times.ratio("theirs", "ours")
            with torch.set_grad_enabled(signature.training):
                runs = ours.plan(x).runs  # type: ignore[operator]
            figures[name] = {"ratio": round(ratio, 3), "runs": runs}
            mark = "" if ratio >= WANTED else "  MISSED"
            print(f"{name:<50} {ratio:>7.2f}x  {figures[name]['runs']}{mark}", flush=True)
        missed = [name for name, figure in figures.items() if float(figure["ratio"]) < WANTED]
        print(f"{len(figures) - len(missed)} of {len(figures)} sizes reach {WANTED}")
        record("selection", figures, watch=watch)


if __name__ == "__main__":
    main()
