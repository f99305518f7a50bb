"""Memory of training on long sequences, and what it costs to carry a state: docs/regimes.md.

    python benchmarks/regimes.py language [--short 100000] [--long 10000000] [--k2 100]
    python benchmarks/regimes.py classify [--short 2000] [--long 1000000] [--k2 200]
    python benchmarks/regimes.py carry

`language` and `classify` train on a short and on a long input, each in a process of its own, and report the largest anonymous
memory after a step (`Anonymous` in /proc/self/smaps_rollup; pages of mapped files do not count), and the ratio of the two.
`carry` measures steps of a language model that pass the state on and steps that do not, interleaved.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

STEPS = 30  # optimizer steps of a run


def anonymous_bytes() -> int:
    """The anonymous memory of this process."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/smaps_rollup has no line Anonymous")


def write_text(path: Path, characters: int) -> None:
    """A text without independent parts."""
    draw, words = random.Random(0), ["the", "sea", "and", "sky", "of", "rain", "falls", "on", "hills", "slowly"]
    with path.open("w", encoding="utf-8") as file:
        written = 0
        while written < characters:
            line = " ".join(draw.choice(words) for _ in range(12)) + "\n"
            written += file.write(line[: characters - written])


def write_series(path: Path, steps: int, rows: int = 12) -> None:
    """Series of numbers with two classes, one JSON object per line: the last 50 steps are higher or lower."""
    draw = random.Random(0)
    with path.open("w", encoding="utf-8") as file:
        for row in range(rows):
            file.write('{"label": "%s", "x": [' % ("up" if row % 2 else "down"))
            for t in range(steps):
                shift = 0.0 if t < steps - 50 else 1.0 if row % 2 else -1.0
                file.write(f"{', ' if t else ''}{draw.gauss(shift, 1):.3f}")
            file.write("]}\n")


def trained(task: str, size: int, k2: int) -> dict[str, Any]:
    """Train in this process and return the largest anonymous memory of a step in MB, and the time of a step."""
    from recurra import train
    from recurra.training.loop import Loop

    seen: list[int] = []
    before: list[int] = []
    take_step, run = Loop.take_step, Loop.run

    def step(self: Loop) -> float:
        value = take_step(self)
        seen.append(anonymous_bytes())
        return value

    def begin(self: Loop, progress: Any) -> None:
        before.append(anonymous_bytes())
        run(self, progress)

    Loop.take_step, Loop.run = step, begin  # type: ignore[method-assign]
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        common: dict[str, Any] = {"out": folder / "run", "num_evaluations": 1, "cell": "gru", "k1": k2, "k2": k2}
        if task == "language":
            write_text(folder / "text.txt", size)
            sizes = {"hidden_size": 128, "batch_size": 16, "batching": "sequential", "neural_cache_size": 0}
            train("language", folder / "text.txt", steps=STEPS, **common, **sizes)
        else:
            write_series(folder / "series.jsonl", size)
            sizes = {"hidden_size": 32, "batch_size": 1, "bidirectional": False, "ensemble_size": 1}
            train("classify", folder / "series.jsonl", steps=4, **common, **sizes)
    return {
        "memory": max(seen) / 2**20,
        "before": before[0] / 2**20,
        "steps": len(seen),
        "seconds": time.perf_counter() - began,
    }


def compare(task: str, short: int, long: int, k2: int) -> None:
    """Train on both sizes, each in a process of its own, and print the memory."""
    memory = []
    for size in (short, long):
        command = [sys.executable, __file__, "one", "--task", task, "--long", str(size), "--k2", str(k2)]
        result = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout.splitlines()[-1])
        memory.append(result["memory"])
        before, seconds = f"{result['before']:.1f} MB before the first", f"{result['seconds']:.0f} s"
        print(f"{task}, {size:,} time steps, k2 = {k2}: {memory[-1]:.1f} MB after a step, {before}, {seconds}")
    print(f"ratio {memory[1] / memory[0]:.3f}")


def carry(rounds: int) -> None:
    """Print the time of a step that passes the state on, relative to one that does not; the median over interleaved pairs."""
    import torch

    from recurra.cells import get
    from recurra.tasks.language.model import LanguageNetwork

    torch.manual_seed(0)
    options = {"dropout": 0.0, "input_dropout": 0.0, "weight_drop": 0.0, "tie_weights": False, "backend": "auto"}
    network = LanguageNetwork(100, 64, get("gru"), hidden_size=256, num_layers=1, **options)  # type: ignore[arg-type]
    x, targets, ratios, state = torch.randint(100, (32, 64)), torch.randint(100, (32, 64)), [], None

    def step(before: Any) -> tuple[float, Any]:
        began = time.perf_counter()
        logits, after = network(x, before)
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()).backward()
        kept = after.detach()
        network.zero_grad()
        return time.perf_counter() - began, kept

    _, state = step(None)
    for _ in range(rounds):
        without, _ = step(None)
        carried, state = step(state)
        ratios.append(carried / without)
    print(f"carrying the state: {sorted(ratios)[len(ratios) // 2]:.3f} of a step without, median of {rounds} pairs")


def main() -> None:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["language", "classify", "carry", "one"])
    parser.add_argument("--task", default="language")
    parser.add_argument("--short", type=int)
    parser.add_argument("--long", type=int)
    parser.add_argument("--k2", type=int)
    parser.add_argument("--rounds", type=int, default=40)
    given = parser.parse_args()
    defaults = (100_000, 10_000_000, 100) if given.what == "language" else (2_000, 1_000_000, 200)
    short, long, k2 = (
        value or other for value, other in zip((given.short, given.long, given.k2), defaults, strict=True)
    )
    if given.what == "one":
        print(json.dumps(trained(given.task, long, k2)))
    elif given.what == "carry":
        carry(given.rounds)
    else:
        compare(given.what, short, long, k2)


if __name__ == "__main__":
    main()
