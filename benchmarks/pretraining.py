"""Compares a classifier with and without a pretrained language model, for few labels and the same total time.

    RECURRA_DATA=FOLDER python benchmarks/pretraining.py imdb [--labels 2250] [--minutes 40]

Both variants use the command line. `alone` trains the classifier for the total time. `pretrained` first trains a language
model on the words of all training texts, and uses the remaining time for the classifier. The labeled rows are the first
ones by hash, all with `--labels 0`; each run uses a tenth of them for validation. The report part, which neither variant
reads, is evaluated. With `--keep`, finished runs are not trained again.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import make_csv
import sets
from common import CACHE, add_options, alone, data_folder, record, recurra, say, stop
from quality import facts, resolved, runs_folder
from splits import Row, fraction, split, write_csv

READERS: dict[str, Callable[[Path], Iterable[Row]]] = {"imdb": sets.imdb, "rt_polarity": make_csv.rt_polarity}


def write(rows: Iterable[Row], labels: int, folder: Path) -> dict[str, Path]:
    """Write `labeled` and `report` as CSV, and `text` with all training texts."""
    parts = split(rows)
    train = sorted(parts["train"], key=fraction)
    if labels > len(train):
        stop(f"there are only {len(train):,} training rows, but --labels is {labels:,}")
    folder.mkdir(parents=True, exist_ok=True)
    paths = {
        "labeled": folder / f"labeled-{labels or 'all'}.csv",
        "report": folder / "report.csv",
        "text": folder / "text.csv",
    }
    write_csv(paths["labeled"], train[:labels] if labels else train)
    write_csv(paths["report"], parts["report"])
    with paths["text"].open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["text"], *([text] for text, _ in train)])
    return paths


def finished(run: Path) -> bool:
    """Whether the training of a run is complete."""
    return (run / "config.yaml").exists() and not (run / "cache").exists()


def classify(paths: dict[str, Path], run: Path, seed: int, minutes: float, *more: object) -> dict[str, Any]:
    """Train and evaluate a classifier. Returns its metrics and the facts of its run."""
    if not finished(run):
        recurra("train", "classify", paths["labeled"], "--out", run, "--seed", seed, "--max-minutes", minutes, *more)
    metrics = sets.by_command(run, {"report": paths["report"]}, "report")
    return {"accuracy": metrics["accuracy"], "macro_f1": metrics["macro_f1"], **facts(run)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", choices=READERS, help="Name of the dataset.")
    parser.add_argument("--labels", type=int, default=2250, help="Number of labeled rows; 0 uses all (2250).")
    parser.add_argument("--minutes", type=float, default=40, help="Total time of each variant in minutes (40).")
    parser.add_argument(
        "--language-fraction", type=float, default=0.6, help="Fraction of the time for the language model (0.6)."
    )
    parser.add_argument("--vocabulary", type=int, default=15_000, help="Vocabulary size of the language model (15000).")
    parser.add_argument("--seeds", default="0", help="Random seeds, separated by commas (0).")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="Keep the run folders in this folder.")
    add_options(parser)
    options = parser.parse_args()
    data = data_folder()
    results = []
    with alone(options.even_if_busy) as watch, runs_folder(options.keep) as folder:
        paths = write(READERS[options.name](data), options.labels, CACHE / f"pretraining-{options.name}")
        for seed in map(int, options.seeds.split(",")):
            plain = classify(paths, folder / f"alone-{seed}", seed, options.minutes)
            model = folder / f"language-{seed}"
            if not finished(model):
                recurra(  # without a cache, which pretraining does not use
                    *("train", "language", paths["text"], "--out", model, "--seed", seed, "--tokenization", "words"),
                    *("--vocabulary-size", options.vocabulary, "--neural-cache-size", 0),
                    *("--max-minutes", options.minutes * options.language_fraction),
                )
            remaining = options.minutes - resolved(model)["seconds"] / 60  # of the whole command
            if remaining <= 0:
                stop("no time is left for the classifier; increase --minutes or decrease --language-fraction")
            pretrained = classify(paths, folder / f"pretrained-{seed}", seed, remaining, "--pretrained", model)
            results.append({"seed": seed, "alone": plain, "pretrained": pretrained, "language": facts(model)})
            say(f"seed {seed}: alone {plain['accuracy']:.4f}, pretrained {pretrained['accuracy']:.4f}")
        gains = [100 * (result["pretrained"]["accuracy"] - result["alone"]["accuracy"]) for result in results]
        record(
            "pretraining",
            {
                "set": options.name,
                "labels": options.labels,
                "minutes": options.minutes,
                "gain": gains,
                "seeds": results,
            },
            watch=watch,
        )
    print(f"{options.name}, {options.labels or 'all'} labels, {options.minutes:g} minutes in total")
    for result in results:
        alone_accuracy, pretrained_accuracy = result["alone"]["accuracy"], result["pretrained"]["accuracy"]
        print(f"seed {result['seed']}: alone {alone_accuracy:.4f}, pretrained {pretrained_accuracy:.4f}")
    print(f"gain {statistics.fmean(gains):+.2f} points of accuracy")


if __name__ == "__main__":
    main()
