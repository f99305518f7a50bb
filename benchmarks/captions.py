"""Flickr8k as a summarization task: predict the first caption of an image from its other four, joined by end tokens.

The baseline is a copy of the longest of the four captions. ROUGE-L is the F measure of the longest common subsequence of words
(Lin 2004), from 0 to 1, averaged over the images, as computed by torchmetrics: without case and punctuation.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from splits import Row, part_of, write_parts

COLUMNS = ("first", "second", "third", "fourth", "fifth")
OTHERS = COLUMNS[1:]


def images(lines: Iterable[str]) -> dict[str, Row]:
    """Return the captions of each image, in order, from lines `image.jpg#n<TAB>caption`."""
    captions_of: dict[str, list[str]] = {}
    for line in lines:
        name, _, caption = line.rstrip("\n").partition("\t")
        captions_of.setdefault(name.partition("#")[0], []).append(" ".join(caption.split()))
    return {name: tuple(captions) for name, captions in captions_of.items()}


def write(data: Path, folder: Path) -> Mapping[str, Path]:
    """Write the parts: `report` contains the images of dev, and `select` a tenth of the images of train by hash of the name."""
    source = data / "flickr8k_captions"
    parts: dict[str, list[Row]] = {"train": [], "select": [], "report": []}
    with gzip.open(source / "train.token.txt.gz", "rt", encoding="utf-8") as file:
        for name, captions in images(file).items():
            parts[part_of((name,), select=0.1, report=0.0)].append(captions)
    with (source / "dev.token.txt").open(encoding="utf-8") as file:
        parts["report"] = list(images(file).values())
    return write_parts(folder, parts, COLUMNS)


def rouge_l(predictions: Sequence[str], references: Sequence[str]) -> float:
    """Return ROUGE-L, the mean over the texts, from 0 to 1."""
    from torchmetrics.functional.text import rouge_score

    return float(rouge_score(list(predictions), list(references), rouge_keys="rougeL")["rougeL_fmeasure"])


def judge(run: Path, parts: Mapping[str, Path], part: str) -> dict[str, float]:
    """Return ROUGE-L of the run, of the baseline, and their difference."""
    import recurra as package

    with parts[part].open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    references = [row["first"] for row in rows]
    sources = [{name: row[name] for name in OTHERS} for row in rows]
    predictions = [answer["text"] for answer in package.load(run).predict_iter(sources, batch_size=256)]
    copied = [max(source.values(), key=len) for source in sources]
    metrics = {"rouge_l": rouge_l(predictions, references), "rouge_l_of_copying": rouge_l(copied, references)}
    return metrics | {"rouge_l_above_copying": metrics["rouge_l"] - metrics["rouge_l_of_copying"]}
