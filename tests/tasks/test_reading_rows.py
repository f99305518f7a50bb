"""Rows that are read once and encoded in chunks: the stores, the split and the vocabulary are those of row by row."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recurra.data.store import split
from recurra.data.store.kept_rows import KeptRows
from recurra.data.words import count
from recurra.data.words.vocabulary import build
from recurra.errors import DataError
from recurra.fields import Label, Number, Series, Text
from recurra.settings import as_given, settings_from
from recurra.tasks.classify.task import Classify
from recurra.tasks.shared import encode_rows, survey
from recurra.tasks.shared.row_reader import RowReader

WORDS = [
    "film",
    "Good",
    "don't",
    "a,b",
    'say "no"',
    "two\nlines",
    "café",
    "很好看",
    "e\u0301",
    "!!",
    "<br",
    "x1",
    "2.50",
]


def reader(*fields: Any, **data: Any) -> RowReader:
    return RowReader(fields, settings_from(as_given(Classify.settings_class), data).data)


def table(path: Path, seed: int) -> list[list[str]]:
    """A table of texts, some of them repeated, classes and numbers, with quotes, line ends and blank lines."""
    draw = random.Random(seed)
    rows = [
        [
            " ".join(draw.choices(WORDS, k=draw.randint(1, 9))),
            draw.choice(["yes", "no", "so so"]),
            f"{draw.gauss(0, 9):.2f}",
        ]
        for _ in range(draw.randint(30, 200))
    ]
    rows += draw.choices(rows, k=10)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator=draw.choice(["\n", "\r\n"]))
        writer.writerows([["text", "label", "points"], *rows])
    return rows


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (encode_rows, survey):
        monkeypatch.setattr(module, "CHUNK", 7)
    monkeypatch.setattr(count, "_BATCH", 5)


@pytest.mark.parametrize("tokenization", ["words", "characters"])
def test_stores_are_those_of_row_by_row(tmp_path: Path, tokenization: Any) -> None:
    for seed in range(8):
        rows = table(tmp_path / f"{seed}.csv", seed)
        text, label = Text("text", "text", tokenization, 25, 2), Label("label", "label")
        read = reader(text, label, Number("points", "points"), validation_fraction=0.25)
        source = read.open(tmp_path / f"{seed}.csv")
        report = read.read(source, read.find_columns(source), tmp_path / f"{seed}", lambda _: None)

        texts = [row[0] for row in rows]
        vocabulary = build(texts, tokenization, size=25, min_count=2)
        hashes = np.array([split.digest(one) for one in texts], np.uint64)
        limit = split.valid_limit(hashes, 0.25, tmp_path)
        points = np.array([float(row[2]) for row in rows])
        assert text.vocabulary.tokens == vocabulary.tokens
        assert (report.rows, report.duplicates) == (len(rows), len(rows) - len(set(texts)))
        for part, belongs in (("train", hashes > limit), ("valid", hashes <= limit)):
            chosen, store = np.flatnonzero(belongs), read.stores[part]
            encoded = [vocabulary.encode(texts[at]) for at in chosen]
            assert store.lengths("text").tolist() == [len(ids) for ids in encoded]
            assert store.flat("text").tolist() == np.concatenate(encoded).tolist()
            assert store.column("label").tolist() == [["no", "so so", "yes"].index(rows[at][1]) for at in chosen]
            expected = (points[chosen] - points.mean()) / points.std()
            np.testing.assert_allclose(store.column("points"), expected, rtol=2e-6, atol=1e-6)
        assert sorted(path.name for path in (tmp_path / f"{seed}").iterdir()) == ["train", "valid"]  # nothing temporary


def passes(monkeypatch: pytest.MonkeyPatch, path: Path, *fields: Any) -> int:
    """The number of passes over a file."""
    read, made = reader(*fields), 0
    source = read.open(path)
    columns, rows = read.find_columns(source), source.rows

    def counted() -> Any:
        nonlocal made
        made += 1
        return rows()

    monkeypatch.setattr(source, "rows", counted)
    read.read(source, columns, path.with_suffix(""), lambda _: None)
    assert len(read.stores["train"]) + len(read.stores["valid"]) == 20
    return made


def test_a_file_is_read_again_only_for_values_that_are_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        {"text": f"a b {at % 7}", "window": [at, 1.5], "label": "ab"[at % 2], "other": f"c{at}"} for at in range(20)
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    words = Text("text", "text", "words", 9, 1), Text("other", "other", "characters", 99, 1), Label("label", "label")
    assert passes(monkeypatch, path, *words) == 1
    assert passes(monkeypatch, path, Series("window", "window"), Label("label", "label")) == 2


def test_kept_rows_are_the_rows(tmp_path: Path) -> None:
    draw = random.Random(0)
    texts: list[Any] = ["", "é\ud800", 'a "b"\n', "\x00", ["a", "b"], [], "\u2028"]
    rows = [(at * 2, [draw.choice(texts), object(), draw.choice(texts)]) for at in range(50)]
    with KeptRows(tmp_path / "rows", 3, [1]) as kept:
        for at in (0, 20, 45):
            kept.add(rows[at : {0: 20, 20: 45, 45: 50}[at]])
        assert kept.complete and len(kept) == 50
        for at in range(3):
            assert list(kept.column(at)) == [values[at] for _, values in rows]
        chunks = list(kept.chunks())
        assert [(chunk.begin, len(chunk)) for chunk in chunks] == [(0, 20), (20, 25), (45, 5)]
        assert [number for chunk in chunks for number in chunk.numbers] == [number for number, _ in rows]
        assert chunks[1].column(2) == [values[2] for _, values in rows[20:45]]
        kept.add([(1, [("a", "tuple"), 1, "b"])])
        assert not kept.complete
    assert not (tmp_path / "rows").exists()


@pytest.mark.parametrize("value", [1, None, ("a",), [1], {"a": "b"}, ["a", None]])
def test_values_that_json_would_change_are_not_kept(tmp_path: Path, value: Any) -> None:
    with KeptRows(tmp_path / "rows", 1, []) as kept:
        kept.add([(1, [value])])
        assert not kept.complete


def test_an_error_while_encoding_names_the_row(tmp_path: Path) -> None:
    table(tmp_path / "train.csv", 1)
    (tmp_path / "valid.csv").write_text(
        "text,label\n" + "film,yes\n" * 30 + '"two\nlines",maybe\nfilm,no\n', encoding="utf-8"
    )
    read = reader(Text("text", "text", "words", 25, 1), Label("label", "label"))
    source = read.open(tmp_path / "train.csv")

    def valid() -> Any:
        other = read.open(tmp_path / "valid.csv")
        return other, read.find_columns(other)

    with pytest.raises(
        DataError, match=r"valid\.csv, row 31, field 'label': class 'maybe' was not in the training data"
    ):
        read.read(source, read.find_columns(source), tmp_path / "cache", lambda _: None, valid)
