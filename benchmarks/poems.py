"""Classical Chinese poems: the training text, and two measures of generated poems.

A poem is regular if all of its lines have 5 characters or all have 7; a line is the text between two punctuation marks.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

MARKS = "，。？！；、："


def read(folder: Path) -> Iterator[str]:
    """Yield the Tang poems in `folder`, each as a paragraph with one couplet per line."""
    files = sorted(folder.glob("poet.tang.*.json.gz"), key=lambda path: int(path.name.split(".")[2]))
    for path in files:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for poem in json.load(file):
                text = "\n".join(line.strip() for line in poem["paragraphs"] if line.strip())
                if text:
                    yield text


def write(path: Path, poems: Iterable[str]) -> None:
    """Write poems as plain text, separated by blank lines."""
    path.write_text("\n\n".join(poems) + "\n", encoding="utf-8")


def lines(poem: str) -> list[str]:
    """Return the lines of a poem without punctuation, spaces and line breaks."""
    return [line for line in re.split(f"[{MARKS}]", "".join(poem.split())) if line]


def regular(poem: str) -> bool:
    """Return whether all lines have 5 characters, or all have 7. A poem without lines is not regular."""
    return {len(line) for line in lines(poem)} in ({5}, {7})


def first_poem(text: str) -> str:
    """Return the first poem of a sample, which ends at the blank line.

    A sample without a blank line or a final line break was truncated; only its complete lines are returned.
    """
    poem, blank, _ = text.lstrip("\n").partition("\n\n")
    if not blank and not poem.endswith("\n"):
        poem = poem[: max(map(poem.rfind, MARKS)) + 1]
    return poem.strip()


def judge(samples: Collection[str], training: Iterable[str]) -> dict[str, float]:
    """Return the fraction of regular samples, and the fraction of their lines that occur in a training poem."""
    training_lines = {line for poem in training for line in lines(poem)}
    written = [line for sample in samples for line in lines(sample)]
    return {
        "regular": sum(map(regular, samples)) / max(1, len(samples)),
        "copied": sum(line in training_lines for line in written) / max(1, len(written)),
    }
