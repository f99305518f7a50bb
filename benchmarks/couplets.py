"""Chinese couplets: the parts, and a run held against a bigram model of the answers that it was trained on."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from common import recurra
from kneser_ney import KneserNey
from splits import Row, normal, split, write_parts


def read(path: Path) -> Iterator[Row]:
    """Pairs, a tab between; other line separators of Unicode are characters like others."""
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line:
            question, answer = line.split("\t")
            yield question, answer


def write(data: Path, folder: Path) -> Mapping[str, Path]:
    """dev is reported, 5 % of train select. A pair that shares a line with one of those does not train."""
    parts = split(read(data / "couplets" / "train.tsv"), select=0.05, report=0.0)
    parts["report"] = list(read(data / "couplets" / "dev.tsv"))
    taken = {normal(line) for part in ("report", "select") for row in parts[part] for line in row}
    parts["train"] = [row for row in parts["train"] if not taken & set(map(normal, row))]
    reported = {normal(line) for row in parts["report"] for line in row}
    parts["select"] = [row for row in parts["select"] if not reported & set(map(normal, row))]
    return write_parts(folder, parts, ("source", "target"))


def answers(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return [row["target"] for row in csv.DictReader(file)]


def judge(run: Path, parts: Mapping[str, Path], part: str) -> dict[str, float]:
    """The figures of `recurra evaluate`, the perplexity of the bigram model, and `ratio`, the first over the second.

    Both tell every character of the answers, punctuation too, from the vocabulary of the run, and a character that is not in it
    as the unknown one. Padding and the end mark, which no answer holds, are not among what the bigram model may say.
    """
    import recurra as package

    figures = json.loads(recurra("evaluate", run, parts[part], "--json").stdout)
    vocabulary = package.load(run).task.dataset.vocabulary  # type: ignore[attr-defined]
    encoded = {
        name: [ids.tolist() for ids in vocabulary.encode_batch(answers(parts[name]))] for name in ("train", part)
    }
    bigrams = KneserNey(encoded["train"], len(vocabulary) - 2).perplexity(encoded[part])
    kept = {name: float(value) for name, value in figures.items() if isinstance(value, int | float)}
    return kept | {"kneser_ney": bigrams, "ratio": kept["perplexity"] / bigrams}
