"""Multi-label classification of reviews: which of 28 words a text contains, with the words and without them.

    RECURRA_DATA=FOLDER python benchmarks/multilabel.py [--part report] [--mode words|masked|both] [--minutes 10]

The labels of a review are the words of frequency ranks 301 to 328 in the training texts of imdb that occur in it. In the mode
`words` the task is to find them; the target is a micro-averaged F1 of 0.97. In the mode `masked` each word is replaced by one
unknown token, and the labels must be inferred from the context. There, the baseline is logistic regression on TF-IDF, one
classifier for each label, with a threshold of 0.5 and with thresholds fitted to held-out training texts as those of recurra.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import re
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import add_options, alone, data_folder, record, recurra, say, stop
from splits import split

RANKS = range(301, 329)
WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
UNKNOWN = "unk"
TARGET = 0.97
Row = tuple[str, str]  # a text, and its labels separated by blanks


def texts() -> list[str]:
    """Return the reviews of imdb."""
    with gzip.open(data_folder() / "imdb" / "train.csv.gz", "rt", encoding="utf-8", newline="") as stream:
        return [row["review"] for row in csv.DictReader(stream)]


def label_words(reviews: Sequence[str]) -> list[str]:
    """Return the words of the ranks, the most frequent first."""
    counts = Counter(word for text in reviews for word in WORD.findall(text.lower()))
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    return [ranked[rank - 1] for rank in RANKS]


def labeled(reviews: Sequence[str], words: Sequence[str], masked: bool) -> list[Row]:
    """Return texts with the label words that they contain, in the texts replaced by an unknown token if `masked`."""
    known = set(words)
    rows = []
    for text in reviews:
        present = known.intersection(WORD.findall(text.lower()))
        if masked:
            text = re.sub(r"(?i)" + WORD.pattern, lambda m: UNKNOWN if m[0].lower() in known else m[0], text)
        rows.append((text, " ".join(sorted(present))))
    return rows


def write(path: Path, rows: Sequence[Row]) -> Path:
    """Write rows as JSON Lines."""
    lines = (json.dumps({"text": text, "labels": labels.split()}) for text, labels in rows)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def ours(train: Sequence[Row], test: Sequence[Row], minutes: float, seed: int, folder: Path) -> dict[str, Any]:
    """Train with the defaults of the command line, which splits off validation data, and evaluate."""
    run, started = folder / "run", time.perf_counter()
    data = write(folder / "train.jsonl", train)
    recurra("train", "classify", data, "--out", run, "--seed", seed, "--max-minutes", minutes)
    elapsed = (time.perf_counter() - started) / 60
    metrics = json.loads(recurra("evaluate", run, write(folder / "test.jsonl", test), "--json").stdout)
    return {"micro_f1": metrics["micro_f1"], "macro_f1": metrics["macro_f1"], "minutes": round(elapsed, 2)}


def f1(predicted: np.ndarray, true: np.ndarray) -> float:
    """Return the micro-averaged F1 of 0/1 arrays (N, K)."""
    return float(2 * (predicted & true).sum() / max(int(predicted.sum() + true.sum()), 1))


def baseline(train: Sequence[Row], test: Sequence[Row], words: Sequence[str]) -> dict[str, Any]:
    """Fit logistic regression on TF-IDF to nine tenths of the training texts, and the thresholds to the rest."""
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.multiclass import OneVsRestClassifier
    except ImportError:
        stop("the baseline requires scikit-learn: pip install scikit-learn")
    import torch

    from recurra.tasks.classify.thresholds import fit_thresholds

    def target(rows: Sequence[Row]) -> np.ndarray:
        return np.array([[word in labels.split() for word in words] for _, labels in rows])

    held_out = len(train) // 10
    fitted, rest = train[held_out:], train[:held_out]
    vectorizer = TfidfVectorizer(sublinear_tf=True, min_df=2)
    x = vectorizer.fit_transform(text for text, _ in fitted)
    model = OneVsRestClassifier(LogisticRegression(max_iter=1000)).fit(x, target(fitted).astype(int))
    scores, held = (model.decision_function(vectorizer.transform(t for t, _ in rows)) for rows in (test, rest))
    thresholds, _ = fit_thresholds(torch.from_numpy(held).float(), torch.from_numpy(target(rest)))
    true = target(test)
    return {"micro_f1_at_0.5": f1(scores > 0, true), "micro_f1": f1(scores > thresholds.numpy(), true)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--part", choices=("select", "report"), default="select", help="Part that is evaluated (select)."
    )
    parser.add_argument("--mode", choices=("words", "masked", "both"), default="both", help="Texts (both).")
    parser.add_argument("--minutes", type=float, default=10.0, help="Time limit of the training (10).")
    parser.add_argument("--rows", type=int, help="Number of reviews (all), for a trial.")
    parser.add_argument("--seed", type=int, default=0, help="Random seed (0).")
    parser.add_argument("--no-baseline", action="store_true", help="Do not fit the baseline.")
    add_options(parser)
    options = parser.parse_args()
    reviews = texts()[: options.rows]
    words = label_words(reviews)
    say(f"labels: {' '.join(words)}")
    modes = ("words", "masked") if options.mode == "both" else (options.mode,)
    figures: dict[str, Any] = {}
    with alone(options.even_if_busy) as watch:
        for mode in modes:
            parts = split(labeled(reviews, words, mode == "masked"))
            train, test = parts["train"], parts[options.part]
            with tempfile.TemporaryDirectory() as folder:
                figures[mode] = {"recurra": ours(train, test, options.minutes, options.seed, Path(folder))}
            if mode == "masked" and not options.no_baseline:
                figures[mode]["baseline"] = baseline(train, test, words)
            say(f"{mode}: {json.dumps(figures[mode])}")
        met = {}
        if "words" in figures:
            met["words"] = figures["words"]["recurra"]["micro_f1"] >= TARGET
        if "baseline" in figures.get("masked", {}):
            ours_f1, theirs = figures["masked"]["recurra"]["micro_f1"], figures["masked"]["baseline"]
            met["masked"] = ours_f1 > max(theirs.values())
        print(json.dumps({**figures, "met": met}, indent=1))
        conditions = {"part": options.part, "minutes": options.minutes, "rows": len(reviews), "seed": options.seed}
        record("multilabel", {**figures, "met": met, **conditions}, watch=watch)


if __name__ == "__main__":
    main()
