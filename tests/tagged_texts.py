"""Sentences with tags of names, their files, and a check that a file contains exactly these sentences."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recurra.data.sources.reading import FileReading
from recurra.data.sources.tagged import open_tagged, tagged_facts
from recurra.fields.tags import Tags
from recurra.fields.words import Words
from recurra.settings import DataSettings

NAMES, PLACES, VERBS = ("Ilse", "Bram", "Ada", "Juno"), ("Delft", "Oslo", "Lima"), ("saw", "left", "knows")
Sentence = list[tuple[str, str]]


def sentences(count: int = 40) -> list[Sentence]:
    """Sentences of a name, in half of them with a surname, a verb and, in most, a place; three to five tokens."""
    draw, made = random.Random(3), list[Sentence]()
    for _ in range(count):
        one: Sentence = [(draw.choice(NAMES), "B-PER")]
        if draw.random() < 0.5:
            one.append((draw.choice(("Vos", "Kuhn")), "I-PER"))
        one.append((draw.choice(VERBS), "O"))
        if draw.random() < 0.8:
            one.append((draw.choice(PLACES), "B-LOC"))
        made.append([*one, (".", "O")])
    return made


def columns(rows: Sequence[Sentence], form: str = "{word}\t{tag}", between: str = "") -> str:
    """Lines of columns; `form` may contain {n}, the number of the token, and `between` stands before each sentence."""
    blocks = []
    for k, row in enumerate(rows):
        lines = [form.format(word=word, tag=tag, n=n, k=k) for n, (word, tag) in enumerate(row, 1)]
        blocks.append("\n".join(([between.format(k=k)] if between else []) + lines))
    return "\n\n".join(blocks) + "\n"


def fields(path: Path, **options: Any) -> tuple[Tags, Words, list[tuple[list[str], list[str]]], list[str]]:
    """The fitted fields, the rows of words and tags, and the lines about the file."""
    reading = FileReading(DataSettings(**options))
    reading.special = tagged_facts
    source = open_tagged(path, reading)
    words = Words("words", None, tokenization=None, size=100, min_count=1, character_ngrams=False, lookahead=True)
    tags = Tags("tags", None, None)
    word_column = words.find(source, ())
    tag_column = tags.find(source, [word_column])
    rows = [(row.values[word_column], row.values[tag_column]) for row in source.rows()]
    words.fit(row[0] for row in rows)
    tags.fit(row[1] for row in rows)
    return tags, words, rows, [*source.describe(), *tags.describe()]


def check(path: Path, rows: Sequence[Sentence], **options: Any) -> list[str]:
    """The file contains these sentences with these tags, and nothing else. Returns the lines about it."""
    tags, _, found, lines = fields(path, **options)
    assert [row[0] for row in found] == [[word for word, _ in row] for row in rows]
    assert [tags.tags_of(ids) for ids in tags.encode([row[1] for row in found])] == [
        [t for _, t in row] for row in rows
    ]
    assert tags.repaired == 0 and tags.scheme == "bio"
    return lines


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
