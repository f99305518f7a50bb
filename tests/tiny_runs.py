"""Small generated data and small settings, with which a test trains a run in a fraction of a second.

`TINY` contains every built-in task. The tests over all tasks (invariants, resuming, weights) use it; a new task adds one entry.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import recurra
from recurra.data.sets import tones
from recurra.run import Run

SMALL: dict[str, Any] = {"hidden_size": 8, "embedding_size": 8, "steps": 8}
LABELLED = SMALL | {"text": "text", "label": "label"}
RATED = SMALL | {"text": "text", "target": "stars"}
NUMERIC: dict[str, Any] = {"hidden_size": 8, "steps": 8}  # for inputs without an embedding
CHINESE = ("好看的电影", "难看的片子", "演员很好，故事不错", "太长了，没有意思")


# data -----------------------------------------------------------------------------------------------------------------
def write_reviews(path: Path, rows: int = 48) -> Path:
    """Texts of one to nine words in English and Chinese, with two classes and a rating."""
    lines = ["text,label,stars"]
    for n in range(rows):
        word = (("fine", "bright", "warm") if n % 2 else ("dull", "long", "empty"))[n // 2 % 3]
        text = f"a {word} film {CHINESE[n % 4]} " + "and so on " * (n % 3)
        lines.append(f"{text.strip()} {n},{'good' if n % 2 else 'bad'},{n % 5 + 0.5}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_text(path: Path, lines: int = 40) -> Path:
    """A text in two scripts, with a blank line after every other line."""
    path.write_text("".join(f"the sea, the sky 海天{n % 7}\n" + "\n" * (n % 2) for n in range(lines)), encoding="utf-8")
    return path


def write_couplets(path: Path, rows: int = 48) -> Path:
    """Pairs of two to six characters, some with a comma; each character of the answer depends on one of the question."""
    sides = "天山云风花春红一", "地水雨月鸟秋绿两"
    lines = ["上联\t下联"]
    for n in range(rows):
        positions = [(n * k + n // 7 * 3 + k) % 8 for k in range(1, 3 + n % 5)]
        one, other = ("".join(side[i] for i in positions) for side in sides)
        lines.append(f"{one[:1]}，{one[1:]}\t{other[:1]}，{other[1:]}" if n % 3 == 0 else f"{one}\t{other}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_reversed_words(path: Path, rows: int = 48) -> Path:
    """Pairs of a word of one to four letters and the reversed word."""
    draw, lines = random.Random(0), ["source\ttarget"]
    for _ in range(rows):
        word = "".join(draw.choice("abcde") for _ in range(draw.randint(1, 4)))
        lines.append(f"{word}\t{word[::-1]}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_tagged(path: Path, rows: int = 40) -> Path:
    """Sentences of two to five words with BIO tags: first names, an optional last name, a verb and a place."""
    draw, lines = random.Random(0), []
    for _ in range(rows):
        tokens, tags = [draw.choice(("Ada", "Grace", "Alan"))], ["B-PER"]
        if draw.random() < 0.5:
            tokens.append(draw.choice(("Lovelace", "Hopper", "Turing")))
            tags.append("I-PER")
        tokens += [draw.choice(("saw", "left")), draw.choice(("Paris", "Oslo"))][: draw.randint(1, 2)]
        tags += ["O", "B-LOC"][: len(tokens) - len(tags)]
        lines.append(json.dumps({"tokens": tokens, "tags": tags}))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_scenes(path: Path, rows: int = 40) -> Path:
    """Images of 8 x 16 pixels with one or two boxes, which are described as dark or bright from left to right."""
    draw = np.random.default_rng(0)
    images, texts = np.zeros((rows, 8, 16), np.uint8), []
    for image in images:
        boxes = draw.integers(0, 2, draw.integers(1, 3))
        for at, bright in enumerate(boxes):
            image[2:6, 8 * at + 1 : 8 * at + 6] = 250 if bright else 110
        texts.append(" ".join(("dark", "bright")[bright] for bright in boxes))
    np.savez(path, image=images, text=np.array(texts))
    return path


def write_waves(path: Path, rows: int = 160) -> Path:
    """Two series with a period of 12 steps and some noise."""
    draw, lines = random.Random(0), ["step,a,b"]
    for n in range(rows):
        value = math.sin(2 * math.pi * n / 12)
        lines.append(f"{n},{value + draw.gauss(0, 0.05):.4f},{20 - 3 * value + draw.gauss(0, 0.1):.4f}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_tones(path: Path, rows: int = 24) -> Path:
    """Recordings of telephone tones, in the folder of the manifest `path`."""
    path.parent.mkdir(exist_ok=True)
    tones.write_folder(path.parent, rows)
    return path


# runs -----------------------------------------------------------------------------------------------------------------
Maker = Callable[..., Run]


def maker(task: str, file: str, write: Callable[[Path], Path], small: dict[str, Any]) -> Maker:
    """A function(folder, name="run", **settings) that trains a run of `task` on what `write` writes to `file`."""

    def train(folder: Path, name: str = "run", **settings: Any) -> Run:
        data = folder / file
        if not data.exists():
            write(data)
        return recurra.train(task, data, out=folder / name, **(small | settings))

    return train


def reviews(folder: Path, name: str = "run", task: str = "classify", **settings: Any) -> Run:
    """A run of `classify` or `regress` on `write_reviews`."""
    small = RATED if task == "regress" else LABELLED
    return maker(task, "reviews.csv", write_reviews, small)(folder, name, **settings)


language = maker("language", "text.txt", write_text, SMALL)
couplets = maker("couplet", "couplets.tsv", write_couplets, SMALL)

TINY: dict[str, Maker] = {
    "caption": maker("caption", "scenes.npz", write_scenes, SMALL | {"encoder_size": 8}),
    "classify": maker("classify", "reviews.csv", write_reviews, LABELLED),
    "couplet": couplets,
    "forecast": maker("forecast", "waves.csv", write_waves, NUMERIC),
    "language": language,
    "regress": maker("regress", "reviews.csv", write_reviews, RATED),
    "tag": maker("tag", "tagged.jsonl", write_tagged, SMALL),
    "transcribe": maker("transcribe", "tones/manifest.csv", write_tones, NUMERIC | {"sample_rate": 8000}),
    "translate": maker("translate", "words.tsv", write_reversed_words, SMALL),
}


def inputs(run: Run, count: int = 8) -> list[Any]:
    """The first inputs in the file on which a run was trained, as `recurra predict RUN FILE` reads them."""
    file = Path(run.config["source"]["data"])
    rows = run.task.dataset.inputs(str(file))
    if rows is None:
        rows = map(run.task.dataset.parse_line, file.read_text(encoding="utf-8").splitlines())
    return [example for example, _ in zip(rows, range(count), strict=False)]
