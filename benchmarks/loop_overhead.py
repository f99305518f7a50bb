"""Overhead of the training loop: tokens per second of recurra and of a plain torch loop, measured alternately in one process.

    python benchmarks/loop_overhead.py [--task classify|language] [--data FILE]

Both loops train copies of one network on the same batches in the same order, with AdamW and clipping by norm. The loop of
recurra also collates each batch, applies the schedule and averages the weights. The plain loop uses prepared batches.
"""

from __future__ import annotations

import argparse
import copy
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import add_options, alone, interleave, peak_operations, record
from splits import write_csv

if TYPE_CHECKING:
    import torch

    from recurra.tasks.base import Batch
    from recurra.training.loop import Loop

LEAST = 0.9  # minimum fraction of the tokens per second of the plain loop
TASKS = ("classify", "language")


def write_data(task: str, folder: Path) -> Path:
    """Write synthetic data: reviews of 20 to 400 words from a Zipf distribution, or a text of sentences of such words."""
    source = random.Random(0)
    words = [f"w{format(index, 'x')}" for index in range(5000)]
    weights = [1 / (index + 10) for index in range(5000)]

    def text(length: int) -> str:
        return " ".join(source.choices(words, weights, k=length))

    if task == "classify":
        path = folder / "reviews.csv"
        write_csv(path, [(text(source.randint(20, 400)), source.choice(["good", "bad"])) for _ in range(2000)])
    else:
        path = folder / "text.txt"
        path.write_text("\n".join(text(12) for _ in range(10_000)) + "\n", encoding="utf-8")
    return path


def make_loop(name: str, data: Path, folder: Path, threads: int | None) -> Loop:
    """Return the training loop of recurra before its first step, created as in `recurra train`."""
    import torch
    from lightning_fabric import Fabric

    from recurra import tasks
    from recurra.cells import get
    from recurra.settings import as_given, settings_from
    from recurra.training.loop import Loop
    from recurra.training.schedule import StepSchedule

    if threads:
        torch.set_num_threads(threads)
    torch.manual_seed(0)
    cls = tasks.get(name)
    options = {"steps": 1_000_000, "device": "cpu"} | ({"ensemble_size": 1} if name == "classify" else {})
    given = settings_from(as_given(cls.settings_class), options)
    dataset = cls.dataset_for(given)
    info = dataset.prepare(data, None, folder / "cache", lambda _: None)
    settings = cls.resolve(given.with_(**info.settings), dataset, info)
    task = cls(settings, dataset, get(settings.model.cell, **settings.model.cell_options))
    loop = Loop(task, task.network(), Fabric(accelerator="cpu", devices=1), folder, time.time(), info)
    loop.schedule = StepSchedule.of(1_000_000)
    return loop


def bare_step(
    name: str, network: torch.nn.Module, optimizer: torch.optim.Optimizer, clip: float, batch: Batch, state: Any
) -> Any:
    """Take a training step of the plain loop and return the state for the next step."""
    import torch
    from torch.nn import functional as F

    optimizer.zero_grad()
    if name == "classify":
        loss = F.cross_entropy(network(batch.inputs["x"], batch.inputs["lengths"]), batch.targets["label"])
    else:
        scores, state = network(batch.inputs["x"], state)
        state = state.detach()
        loss = F.cross_entropy(scores.flatten(0, 1), batch.targets["next"].flatten())
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(network.parameters(), clip)
    optimizer.step()
    return state


def loops(name: str, loop: Loop, steps: int) -> tuple[dict[str, Callable[[], object]], int, int]:
    """Return both loops as functions that take the same `steps` steps, the number of valid tokens, and that with padding."""
    import torch

    training = loop.training
    network = copy.deepcopy(loop.module)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=training.learning_rate or 1e-3, weight_decay=training.weight_decay, fused=True
    )
    batches = [loop.task.batch(key) for key in loop.keys[:steps]]

    def ours() -> None:
        loop.index, loop.state = 0, None
        for _ in batches:
            loop.take_step()

    def bare() -> None:
        state = None
        for batch in batches:
            state = bare_step(name, network, optimizer, training.clip_norm or 1.0, batch, state)

    return {"ours": ours, "bare": bare}, sum(b.valid for b in batches), sum(b.computed for b in batches)


def work(network: torch.nn.Module) -> float:
    """Return the floating-point operations of a training step per token: 6 per multiplied weight (2 forward, 4 backward)."""
    import torch

    looked_up = {id(m.weight) for m in network.modules() if isinstance(m, torch.nn.Embedding)}
    return 6.0 * sum(p.numel() for p in network.parameters() if p.ndim > 1 and id(p) not in looked_up)


def measure(name: str, data: Path | None, steps: int, rounds: int, threads: int | None) -> dict[str, Any]:
    """Return the results of one task."""
    import torch

    with tempfile.TemporaryDirectory(prefix="recurra-loop-") as text:
        folder = Path(text)
        loop = make_loop(name, data or write_data(name, folder), folder, threads)
        steps = min(steps, len(loop.keys))
        functions, tokens, computed = loops(name, loop, steps)
        times = interleave(functions, rounds=rounds)
        peak = peak_operations(torch.get_num_threads())
        flops = work(loop.module) * computed
    return {
        "task": name,
        "steps": steps,
        "ours": tokens / times.median("ours"),
        "bare": tokens / times.median("bare"),
        "ratio": times.ratio("bare", "ours"),  # of the speeds: the inverse of the ratio of the times
        "peak_share": flops / times.median("ours") / peak,
        "peak_gflops": peak / 1e9,
        "threads": torch.get_num_threads(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--task", choices=TASKS, help="Measure only this task.")
    parser.add_argument(
        "--data", type=Path, metavar="FILE", help="Train on this file instead of synthetic data; requires --task."
    )
    parser.add_argument("--steps", type=int, default=15, help="Number of steps per round (15).")
    parser.add_argument("--rounds", type=int, default=9, help="Number of rounds; each one runs both loops (9).")
    parser.add_argument("--threads", type=int, help="Number of CPU threads; chosen by torch by default.")
    add_options(parser)
    options = parser.parse_args()
    if options.data and not options.task:
        parser.error("--data requires --task, the task of the file")
    with alone(options.even_if_busy) as watch:
        results = [
            measure(name, options.data, options.steps, options.rounds, options.threads)
            for name in ([options.task] if options.task else TASKS)
        ]
        record(
            "loop_overhead",
            {"rounds": options.rounds, "data": options.data and options.data.name, "tasks": results},
            watch=watch,
            steps=[result["steps"] for result in results],
            threads=results[0]["threads"],
        )
    print(f"{'task':<10} {'ours':>10} {'bare':>10} tokens/s  {'ratio':>6} {'of peak':>13}")
    for result in results:
        row = (
            f"{result['task']:<10} {result['ours']:>10,.0f} {result['bare']:>10,.0f}           {result['ratio']:>6.3f}"
        )
        print(f"{row} {result['peak_share']:>13.1%}  {'met' if result['ratio'] >= LEAST else 'MISSED'} (>= {LEAST})")


if __name__ == "__main__":
    main()
