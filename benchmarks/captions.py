"""Flickr8k as a summary: the first caption of an image from its other four, joined by end marks.

The measure to beat is the longest of the four as it stands. ROUGE-L is the F measure of the longest common subsequence of
words (Lin 2004), 0 to 1, the mean over the images, as torchmetrics takes it: no case, no marks.
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
    """image -> its captions in order, of lines `image.jpg#n<TAB>caption`."""
    found: dict[str, list[str]] = {}
    for line in lines:
        name, _, caption = line.rstrip("\n").partition("\t")
        found.setdefault(name.partition("#")[0], []).append(" ".join(caption.split()))
    return {name: tuple(captions) for name, captions in found.items()}


def write(data: Path, folder: Path) -> Mapping[str, Path]:
    """The images of dev are reported; of those of train a tenth, by the hash of the name, selects."""
    source = data / "flickr8k_captions"
    parts: dict[str, list[Row]] = {"train": [], "select": [], "report": []}
    with gzip.open(source / "train.token.txt.gz", "rt", encoding="utf-8") as file:
        for name, captions in images(file).items():
            parts[part_of((name,), select=0.1, report=0.0)].append(captions)
    with (source / "dev.token.txt").open(encoding="utf-8") as file:
        parts["report"] = list(images(file).values())
    return write_parts(folder, parts, COLUMNS)


def rouge_l(written: Sequence[str], wanted: Sequence[str]) -> float:
    """Mean over the texts, 0 to 1."""
    from torchmetrics.functional.text import rouge_score

    return float(rouge_score(list(written), list(wanted), rouge_keys="rougeL")["rougeL_fmeasure"])


def judge(run: Path, parts: Mapping[str, Path], part: str) -> dict[str, float]:
    """Ours, the copy's, and how far ours is above it."""
    import recurra as package

    with parts[part].open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    wanted = [row["first"] for row in rows]
    sources = [{name: row[name] for name in OTHERS} for row in rows]
    ours = [answer["text"] for answer in package.load(run).predict_iter(sources, batch_size=256)]
    copied = [max(source.values(), key=len) for source in sources]
    figures = {"rouge_l": rouge_l(ours, wanted), "rouge_l_of_copying": rouge_l(copied, wanted)}
    return figures | {"rouge_l_above_copying": figures["rouge_l"] - figures["rouge_l_of_copying"]}
