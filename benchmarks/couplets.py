"""Chinese couplets: the parts, and the comparison of a run with a bigram model of its training answers."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from common import recurra
from kneser_ney import KneserNey
from splits import Row, normal, split, write_parts


def read(path: Path) -> Iterator[Row]:
    r"""Yield tab-separated pairs, one per line. Only \n ends a line; other Unicode line separators are ordinary characters."""
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line:
            question, answer = line.split("\t")
            yield question, answer


def write(data: Path, folder: Path) -> Mapping[str, Path]:
    """Write parts: `report` is dev, and `select` is 5 % of train. Pairs of train that share a line with these are removed."""
    parts = split(read(data / "couplets" / "train.tsv"), select=0.05, report=0.0)
    parts["report"] = list(read(data / "couplets" / "dev.tsv"))
    held_out = {normal(line) for part in ("report", "select") for row in parts[part] for line in row}
    parts["train"] = [row for row in parts["train"] if not held_out & set(map(normal, row))]
    reported = {normal(line) for row in parts["report"] for line in row}
    parts["select"] = [row for row in parts["select"] if not reported & set(map(normal, row))]
    return write_parts(folder, parts, ("source", "target"))


def answers(path: Path) -> list[str]:
    """Return the answers of a part."""
    with path.open(encoding="utf-8", newline="") as file:
        return [row["target"] for row in csv.DictReader(file)]


def judge(run: Path, parts: Mapping[str, Path], part: str) -> dict[str, float]:
    """Return the metrics of `recurra evaluate`, the perplexity of the bigram model, and `ratio`, the perplexity divided by it.

    Both models predict every character of the answers, including punctuation, from the vocabulary of the run; a character that
    is not in it counts as the unknown token. Padding and the end token are not in the vocabulary of the bigram model.
    """
    import recurra as package

    metrics = json.loads(recurra("evaluate", run, parts[part], "--json").stdout)
    vocabulary = package.load(run).task.dataset.vocabulary  # type: ignore[attr-defined]
    encoded = {
        name: [ids.tolist() for ids in vocabulary.encode_batch(answers(parts[name]))] for name in ("train", part)
    }
    bigrams = KneserNey(encoded["train"], len(vocabulary) - 2).perplexity(encoded[part])
    numbers = {name: float(value) for name, value in metrics.items() if isinstance(value, int | float)}
    return numbers | {"kneser_ney": bigrams, "ratio": numbers["perplexity"] / bigrams}
