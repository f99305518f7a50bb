"""Metrics of runs that the command line trains with its defaults and a time budget: one dataset, seeds 0, 1 and 2.

    RECURRA_DATA=FOLDER python benchmarks/quality.py NAME [--part select]     --list prints the datasets

All choices (weights, settings, defaults) are made on the select part. The report part is used only for the reported result.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from common import CACHE, add_options, alone, data_folder, record, recurra, say, stop
from sets import SETS, Parts, Set

TOLERANCE = 0.05  # fraction of the time budget


def table() -> str:
    """Return the table of the datasets, with one line each."""
    lines = [f"{'name':<12} {'task':<9} {'minutes':>7}  targets"]
    for item in SETS.values():
        lines.append(f"{item.name:<12} {item.task:<9} {item.minutes:>7g}  {', '.join(map(str, item.targets))}")
    return "\n".join(lines)


def resolved(run: Path) -> dict[str, Any]:
    """Return the resolved values in the config.yaml of a run."""
    config: dict[str, Any] = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    return dict(config["resolved"])


def facts(run: Path) -> dict[str, Any]:
    """Return facts that a run recorded: steps, threads, backend, fraction of padding, and whether it supports streaming."""
    found = resolved(run)
    facts = {name: found.get(name) for name in ("steps", "threads", "backend", "padding")}
    return facts | {"streams": found["streaming"] is True}


def curve(run: Path, metrics: Sequence[str]) -> dict[str, Any]:
    """Return the learning curve (minutes, metric) on the select part.

    The metric is the first one of `metrics` that is evaluated during training, or the loss if there is none.
    """
    lines = [json.loads(line) for line in (run / "history.jsonl").read_text(encoding="utf-8").splitlines()]
    seen = [line for line in lines if "valid/loss" in line]
    name = next((name for name in metrics if seen and f"valid/{name}" in seen[0]), "loss")
    points = [(round(line["seconds"] / 60, 4), round(line[f"valid/{name}"], 5)) for line in seen]
    return {"figure": name, "points": points}


def one_seed(item: Set, parts: Parts, seed: int, options: argparse.Namespace, run: Path) -> dict[str, Any]:
    """Train with the command line and evaluate. Return the metrics and the facts of one seed."""
    words: list[object] = ["train", item.task, parts["train"], "--valid", parts["select"], "--out", run]
    words += ["--max-minutes", options.minutes, "--seed", seed, *item.options]
    if options.cell:
        words += ["--cell", options.cell]
    for pair in options.set:
        words += ["--set", pair]
    begin = time.monotonic()
    recurra(*words)
    seconds = time.monotonic() - begin
    figures = item.judge(run, parts, options.part)
    return {
        "seed": seed,
        "seconds": round(seconds, 1),
        "of_budget": seconds / (60 * options.minutes),
        **facts(run),
        "figures": figures,
        "curve": curve(run, [target.figure for target in item.targets]),
    }


def spread(values: Sequence[float]) -> str:
    """Return the mean and the standard deviation as text."""
    return f"{statistics.fmean(values):.4f} ± {statistics.stdev(values):.4f}" if len(values) > 1 else f"{values[0]:.4f}"


def show(item: Set, results: Sequence[Mapping[str, Any]]) -> None:
    """Print the table of a dataset: one line per seed, the mean and the standard deviation, and the targets."""
    names = sorted({target.figure: None for target in item.targets} | results[0]["figures"])
    columns = {name: [result["figures"].get(name, float("nan")) for result in results] for name in names}
    heads = " ".join(f"{name:>18}" for name in names)
    print(f"{'seed':>6} {heads} {'steps':>8} {'seconds':>8} {'budget':>7} {'padding':>8}  streams")
    for index, result in enumerate(results):
        cells = " ".join(f"{columns[name][index]:>18.4f}" for name in names)
        padding = "-" if result["padding"] is None else f"{result['padding']:.1%}"
        time_used = f"{result['seconds']:>8.1f} {result['of_budget']:>7.1%}"
        facts_shown = f"{padding:>8}  {'yes' if result['streams'] else 'no'}"
        print(f"{result['seed']:>6} {cells} {result['steps'] or '-':>8} {time_used} {facts_shown}")
    print(f"{'mean':>6} " + " ".join(f"{spread(columns[name]):>18}" for name in names))
    for target in item.targets:
        print(f"target {target}: {'met' if target.met(statistics.fmean(columns[target.figure])) else 'MISSED'}")
    over = [result["seed"] for result in results if result["of_budget"] > 1 + TOLERANCE]
    early = [result["seed"] for result in results if result["of_budget"] < 1 - TOLERANCE]
    print(f"time budget exceeded by more than {TOLERANCE:.0%}: {f'YES, seeds {over}' if over else 'no'}", end="")
    print(f"; ended early (all epochs completed, or no improvement): seeds {early}" if early else "")


@contextmanager
def runs_folder(keep: Path | None) -> Iterator[Path]:
    """Yield the folder of the runs: `keep`, or a temporary folder that is removed at the end."""
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
    else:
        with tempfile.TemporaryDirectory(prefix="recurra-quality-") as folder:
            yield Path(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", nargs="?", help="Name of the dataset: " + ", ".join(SETS))
    parser.add_argument(
        "--list", action="store_true", help="Print the datasets with their tasks, time budgets and targets."
    )
    parser.add_argument(
        "--seeds", help="Random seeds, separated by commas (0,1,2, or 0 if the budget is over 30 minutes)."
    )
    parser.add_argument("--minutes", type=float, help="Time budget of a run, instead of that of the dataset.")
    parser.add_argument(
        "--part", choices=["select", "report"], default="report", help="Part on which the runs are evaluated (report)."
    )
    parser.add_argument("--cell", help="Cell, instead of the default.")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="Value of a setting, instead of the default."
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="Keep the run folders in this folder.")
    add_options(parser)
    options = parser.parse_args()
    if options.list:
        print(table())
        return
    if options.name not in SETS:
        stop(
            f"there is no dataset {options.name!r}; the datasets are {', '.join(SETS)}"
            if options.name
            else "the name of a dataset is required; --list prints the datasets"
        )
    item = SETS[options.name]
    options.minutes = options.minutes or item.minutes
    seeds = [int(word) for word in (options.seeds or ("0" if options.minutes > 30 else "0,1,2")).split(",")]
    data = data_folder()
    results = []
    with alone(options.even_if_busy) as watch, runs_folder(options.keep) as folder:
        parts = item.write(data, CACHE / item.name)
        for seed in seeds:
            results.append(one_seed(item, parts, seed, options, folder / f"{item.name}-seed{seed}"))
            shown = ", ".join(f"{target.figure} {results[-1]['figures'][target.figure]:.4f}" for target in item.targets)
            say(f"seed {seed}: {shown}")
        figures = {
            "set": item.name,
            "part": options.part,
            "minutes": options.minutes,
            "cell": options.cell,
            "set_options": options.set,
        }
        means = {t.figure: statistics.fmean(r["figures"][t.figure] for r in results) for t in item.targets}
        targets = {str(target): target.met(means[target.figure]) for target in item.targets}
        record(
            "quality",
            {**figures, "mean": means, "targets": targets, "seeds": results},
            watch=watch,
            steps=[result["steps"] for result in results],
            threads=results[0]["threads"],
        )
    print(f"{item.name} ({item.task}, {options.minutes:g} minutes, {options.part} part)")
    show(item, results)


if __name__ == "__main__":
    main()
