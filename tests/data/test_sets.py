"""Built-in datasets: they are written once, are reproducible, and have content that the tasks can read."""

from __future__ import annotations

import datetime
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from recurra.cli.main import run
from recurra.data import sets
from recurra.data.sources.columns import find_label, find_text
from recurra.data.sources.sources import open_source
from recurra.data.sources.text import open_text
from recurra.errors import DataError


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        for name in sets.known():
            sets.make(name)
    return folder / "recurra" / f"sets-{sets._VERSION}"


def test_the_names_of_the_datasets() -> None:
    memory = {"adding", "copy", "parity"}
    assert set(sets.known()) == {"stdlib", "digits", "dates", "names", "series", "sine", "tones", "scenes"} | memory
    assert all(len(line) < 80 for line in sets.known().values())


@pytest.mark.parametrize("name", ["digits", "dates", "names", "scenes", "series", "sine", "adding", "copy", "parity"])
def test_a_dataset_is_reproducible(cache: Path, name: str, tmp_path: Path) -> None:
    again = sets.make(name, tmp_path)
    assert again.read_bytes() == (cache / again.name).read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == [again.name]


def test_a_dataset_folder_is_reproducible(cache: Path, tmp_path: Path) -> None:
    again = sets.make("tones", tmp_path)
    assert again == tmp_path / "tones" / "manifest.csv"
    assert [path.name for path in tmp_path.iterdir()] == ["tones"]
    files = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert len(files) > 300
    assert all((tmp_path / file).read_bytes() == (cache / file).read_bytes() for file in files)
    assert sets.make("tones", cache) == cache / "tones" / "manifest.csv"


def test_a_dataset_is_written_once(cache: Path) -> None:
    path = cache / "digits.csv"
    before = path.stat().st_mtime_ns
    assert sets.make("digits", cache) == path
    assert path.stat().st_mtime_ns == before


def test_stdlib(cache: Path) -> None:
    text = "".join(open_text(cache / "stdlib.txt").chunks())
    assert len(text) > 2_000_000
    assert "def " in text


def test_names(cache: Path) -> None:
    source = open_source(cache / "names.csv")
    assert (find_text(source), find_label(source)) == ("text", "label")
    rows = [(row.values["text"], row.values["label"]) for row in source.rows()]
    assert len(rows) > 10_000
    assert len({text for text, _ in rows}) == len(rows), "no name occurs twice, so each has one language"
    counts = Counter(label for _, label in rows)
    assert len(counts) > 30
    assert counts["Chinese"] > 200


def test_digits(cache: Path) -> None:
    rows = [row.values for row in open_source(cache / "digits.csv").rows()]
    assert len(rows) == 1797
    assert {row["label"] for row in rows} == {str(digit) for digit in range(10)}
    assert all(len(row) == 65 and all(0 <= int(value) <= 16 for value in row.values()) for row in rows)


def test_dates(cache: Path) -> None:
    rows = [row.values for row in open_source(cache / "dates.tsv").rows()]
    assert len(rows) == 60_000
    for row in rows[::50]:
        assert datetime.date.fromisoformat(row["target"]).year >= 1900
    assert any("年" in row["source"] for row in rows)


def test_series(cache: Path) -> None:
    counts = Counter(row.values["series"] for row in open_source(cache / "series.csv").rows())
    assert counts["sunspots"] == 309
    assert counts["co2"] == 2284


def test_adding(tmp_path: Path) -> None:
    """One marker in each half; the target is the sum of the marked numbers."""
    rows = [json.loads(line) for line in sets.make("adding:7", tmp_path).read_text().splitlines()]
    assert [path.name for path in tmp_path.iterdir()] == ["adding-7.jsonl"] and len(rows) == 10_000
    for row in rows[:200]:
        marked = [(at, number) for at, (number, marker) in enumerate(row["series"]) if marker]
        assert len(row["series"]) == 7 and len(marked) == 2 and marked[0][0] < 3 <= marked[1][0]
        assert row["target"] == round(marked[0][1] + marked[1][1], 3)
    targets = [row["target"] for row in rows]
    mean = sum(targets) / len(targets)
    assert sum((target - mean) ** 2 for target in targets) / len(targets) == pytest.approx(1 / 6, rel=0.03)


def test_copy(tmp_path: Path) -> None:
    """The ten symbols come back after the marker, `delay` steps after the last symbol."""
    for row in map(json.loads, sets.make("copy:5", tmp_path).read_text().splitlines()[:200]):
        tokens, tags = row["tokens"], row["tags"]
        assert len(tokens) == len(tags) == 25 and set(tokens[:10]) <= set("abcdefgh")
        assert tokens[10:] == ["_"] * 4 + [":"] + ["_"] * 10
        assert tags == ["_"] * 15 + tokens[:10]


def test_parity(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in sets.make("parity:6", tmp_path).read_text().splitlines()]
    assert {len(row["bits"]) for row in rows} == {1, 2, 3, 4, 5, 6}
    assert all((row["label"] == "odd") == (sum(row["bits"]) % 2 == 1) for row in rows)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("names:5", r"the dataset 'names' has no parameter '5'; those with one are adding, copy, parity"),
        ("adding:", r"the dataset 'adding:': '' is not a number from 2 to 10,000"),
        ("copy:0", r"'0' is not a number from 1 to 10,000"),
        ("parity:1e9", r"'1e9' is not a number from 2 to 10,000"),
    ],
)
def test_parameters_that_do_not_exist(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        sets.make(name, tmp_path)


def test_the_command_copies_a_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "mine.jsonl"
    assert run(["data", "parity:4", "--out", str(file)]) == 0
    assert file.read_text() == sets.make("parity:4").read_text()
    assert f"train on it:  recurra train classify {file}" in capsys.readouterr().out
    assert run(["data", "parity:4", "--out", str(file)]) == 2
    assert run(["data", "parity:4", "--out", str(tmp_path / "mine.csv")]) == 2
    assert run(["data", "--out", str(file)]) == 2
    error = capsys.readouterr().err
    assert "exists already" in error and "name it" in error and "name the dataset to write" in error


def test_datasets_open_by_name(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent.parent))
    monkeypatch.chdir(tmp_path)
    source = open_source("digits")
    assert (source.name, source.path) == ("digits", cache / "digits.csv")
    assert open_text("stdlib").name == "stdlib"


def test_errors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"unknown built-in dataset 'digit'; did you mean 'digits'\?"):
        sets.make("digit", tmp_path)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(DataError, match=r"'digits' needs the library .*sklearn.*: pip install 'recurra\[sets\]'"):
        sets.make("digits", tmp_path)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr("recurra.data.sets.tones.dial", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        sets.make("tones", tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        sets.make("names", tmp_path / "file")
