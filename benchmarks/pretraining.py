"""What a language model of unlabelled text is worth: few labels with it and without, in the same minutes in all.

    RECURRA_DATA=FOLDER python benchmarks/pretraining.py imdb [--labels 2250] [--minutes 40]

Both arms go by the command line. `alone` trains the classifier for all the minutes; `pretrained` trains a language model of
the words of all training texts first, and the classifier in what is left. The labels are those of the first rows by their
hash, and each run holds back its own tenth of them; the report part, which neither arm reads, is judged. `--labels 0`: all.
With `--keep` a run that is there and finished is not trained again: only what changed is.
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
    """`labelled` and `report` as CSV, `text` as all training texts, a line each."""
    parts = split(rows)
    train = sorted(parts["train"], key=fraction)
    if labels > len(train):
        stop(f"there are {len(train):,} labels to train on, not {labels:,}")
    folder.mkdir(parents=True, exist_ok=True)
    paths = {
        "labelled": folder / f"labelled-{labels or 'all'}.csv",
        "report": folder / "report.csv",
        "text": folder / "text.csv",
    }
    write_csv(paths["labelled"], train[:labels] if labels else train)
    write_csv(paths["report"], parts["report"])
    with paths["text"].open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["text"], *([text] for text, _ in train)])
    return paths


def finished(run: Path) -> bool:
    return (run / "config.yaml").exists() and not (run / "cache").exists()


def classify(paths: dict[str, Path], run: Path, seed: int, minutes: float, *more: object) -> dict[str, Any]:
    """Train and judge a classifier; figures and facts."""
    if not finished(run):
        recurra("train", "classify", paths["labelled"], "--out", run, "--seed", seed, "--max-minutes", minutes, *more)
    figures = sets.by_command(run, {"report": paths["report"]}, "report")
    return {"accuracy": figures["accuracy"], "macro_f1": figures["macro_f1"], **facts(run)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", choices=READERS, help="the set")
    parser.add_argument("--labels", type=int, default=2250, help="labelled rows, 0 for all (2250)")
    parser.add_argument("--minutes", type=float, default=40, help="of each arm, in all (40)")
    parser.add_argument("--language-share", type=float, default=0.6, help="of them for the language model (0.6)")
    parser.add_argument("--vocabulary", type=int, default=15_000, help="words of the language model (15000)")
    parser.add_argument("--seeds", default="0", help="of both arms (0)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the run folders here")
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
                recurra(  # without a cache: that is for use, and nobody uses this model
                    *("train", "language", paths["text"], "--out", model, "--seed", seed, "--tokenization", "words"),
                    *("--vocabulary-size", options.vocabulary, "--neural-cache-size", 0),
                    *("--max-minutes", options.minutes * options.language_share),
                )
            left = options.minutes - resolved(model)["seconds"] / 60  # from the command to its end
            if left <= 0:
                stop("no minutes are left for the classifier; give more with --minutes, or a smaller --language-share")
            begun = classify(paths, folder / f"pretrained-{seed}", seed, left, "--pretrained", model)
            results.append({"seed": seed, "alone": plain, "pretrained": begun, "language": facts(model)})
            say(f"seed {seed}: alone {plain['accuracy']:.4f}, pretrained {begun['accuracy']:.4f}")
        gains = [100 * (one["pretrained"]["accuracy"] - one["alone"]["accuracy"]) for one in results]
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
    print(f"{options.name}, {options.labels or 'all'} labels, {options.minutes:g} minutes in all")
    for one in results:
        print(
            f"seed {one['seed']}: alone {one['alone']['accuracy']:.4f}, pretrained {one['pretrained']['accuracy']:.4f}"
        )
    print(f"gain {statistics.fmean(gains):+.2f} points of accuracy")


if __name__ == "__main__":
    main()
