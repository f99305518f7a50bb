"""Chinese poems in the old forms: the text to train on, and two checks of what a model writes.

A poem is regular when all of its lines have 5 characters or all have 7; a line is what lies between the marks.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

SPECIAL_TOKENS = "，。？！；、："


def read(folder: Path) -> Iterator[str]:
    """The Tang poems of `folder`, each as a paragraph: its couplets are lines of text."""
    files = sorted(folder.glob("poet.tang.*.json.gz"), key=lambda path: int(path.name.split(".")[2]))
    for path in files:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for poem in json.load(file):
                text = "\n".join(line.strip() for line in poem["paragraphs"] if line.strip())
                if text:
                    yield text


def write(path: Path, poems: Iterable[str]) -> None:
    """Poems as plain text, a blank line between two of them."""
    path.write_text("\n\n".join(poems) + "\n", encoding="utf-8")


def lines(poem: str) -> list[str]:
    """The lines of a poem, without marks, spaces and line ends."""
    return [line for line in re.split(f"[{SPECIAL_TOKENS}]", "".join(poem.split())) if line]


def regular(poem: str) -> bool:
    """Whether all lines have 5 characters, or all have 7; a poem without a line is not regular."""
    return {len(line) for line in lines(poem)} in ({5}, {7})


def first_poem(text: str) -> str:
    """The first poem of a sample: up to the blank line.

    A sample without a blank line or a line end at its end was cut by its length: the lines it finished are judged.
    """
    poem, blank, _ = text.lstrip("\n").partition("\n\n")
    if not blank and not poem.endswith("\n"):
        poem = poem[: max(map(poem.rfind, SPECIAL_TOKENS)) + 1]
    return poem.strip()


def judge(samples: Collection[str], training: Iterable[str]) -> dict[str, float]:
    """Share of regular samples, and share of their lines that stand in a training poem."""
    known = {line for poem in training for line in lines(poem)}
    written = [line for sample in samples for line in lines(sample)]
    return {
        "regular": sum(map(regular, samples)) / max(1, len(samples)),
        "copied": sum(line in known for line in written) / max(1, len(written)),
    }
