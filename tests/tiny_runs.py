"""Small data and small settings, so that a test can train a run in a fraction of a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import recurra
from recurra.run import Run

SMALL: dict[str, Any] = {"hidden_size": 8, "embedding_size": 8, "steps": 8}
CHINESE = ("好看的电影", "难看的片子", "演员很好，故事不错", "太长了，没有意思")


def write_reviews(path: Path, rows: int = 48) -> Path:
    """Texts of one to nine words in English and Chinese, two classes and a rating."""
    lines = ["text,label,stars"]
    for n in range(rows):
        word = (("fine", "bright", "warm") if n % 2 else ("dull", "long", "empty"))[n // 2 % 3]
        text = f"a {word} film {CHINESE[n % 4]} " + "and so on " * (n % 3)
        lines.append(f"{text.strip()} {n},{'good' if n % 2 else 'bad'},{n % 5 + 0.5}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_text(path: Path, lines: int = 40) -> Path:
    """A text of two scripts, a paragraph every other line."""
    path.write_text("".join(f"the sea, the sky 海天{n % 7}\n" + "\n" * (n % 2) for n in range(lines)), encoding="utf-8")
    return path


def reviews(folder: Path, name: str = "run", task: str = "classify", **settings: Any) -> Run:
    """A run over `write_reviews`."""
    data = folder / "reviews.csv"
    if not data.exists():
        write_reviews(data)
    column = {"target": "stars"} if task == "regress" else {"label": "label"}
    return recurra.train(task, data, out=folder / name, **(SMALL | {"text": "text"} | column | settings))


def language(folder: Path, name: str = "run", **settings: Any) -> Run:
    """A run over `write_text`."""
    data = folder / "text.txt"
    if not data.exists():
        write_text(data)
    return recurra.train("language", data, out=folder / name, **(SMALL | settings))


def write_couplets(path: Path, rows: int = 48) -> Path:
    """Pairs of two to six characters, some with a comma: each character of the second row answers one of the first."""
    sides = "天山云风花春红一", "地水雨月鸟秋绿两"
    lines = ["上联\t下联"]
    for n in range(rows):
        places = [(n * k + n // 7 * 3 + k) % 8 for k in range(1, 3 + n % 5)]
        one, other = ("".join(side[i] for i in places) for side in sides)
        lines.append(f"{one[:1]}，{one[1:]}\t{other[:1]}，{other[1:]}" if n % 3 == 0 else f"{one}\t{other}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def couplets(folder: Path, name: str = "run", **settings: Any) -> Run:
    """A run over `write_couplets`."""
    data = folder / "couplets.tsv"
    if not data.exists():
        write_couplets(data)
    return recurra.train("couplet", data, out=folder / name, **(SMALL | settings))
