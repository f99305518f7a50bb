"""Built-in datasets: they are written once, are reproducible, and have content that the tasks can read."""

from __future__ import annotations

import datetime
import sys
from collections import Counter
from pathlib import Path

import pytest

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
    assert set(sets.known()) == {"stdlib", "digits", "dates", "names", "series", "sine", "tones", "scenes"}
    assert all(len(line) < 80 for line in sets.known().values())


@pytest.mark.parametrize("name", ["digits", "dates", "names", "scenes", "series", "sine"])
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
