"""Data that are taken from the cache are those that were encoded: for every task, and never after a change."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_runs import TINY, write_reviews

import recurra
from recurra import tasks
from recurra.data.store.encoded_cache import EncodedCache
from recurra.settings import as_given, settings_from
from recurra.tasks.base import DatasetInfo
from recurra.tasks.shared.row_reader import RowReader

CACHED = [name for name in TINY if name != "forecast"]  # the series of forecast are small, and are not cached


class Prepared:
    """A dataset that was prepared with a cache, and what a run would store of it."""

    def __init__(
        self, cache: Path, folder: Path, task: str, data: Path, valid: Path | None = None, **settings: Any
    ) -> None:
        kind = tasks.get(task)
        given = settings_from(as_given(kind.settings_class), settings)
        self.dataset: Any = kind.dataset_for(given)
        self.dataset.reading.cache = used = EncodedCache(cache)
        folder.mkdir()
        self.info: DatasetInfo = self.dataset.prepare(data, valid, folder / "cache", lambda _: None)
        self.resolved = kind.resolve(given.with_(**self.info.settings), self.dataset, self.info)
        (folder / "vocabulary").mkdir(parents=True, exist_ok=True)
        self.dataset.save(folder / "vocabulary")
        self.folder, self.messages = folder, used.messages

    @property
    def is_taken(self) -> bool:
        """Whether the data were taken from the cache."""
        assert len(self.messages) == 1, self.messages
        return "read from the cache" in self.messages[0]

    def files(self) -> dict[str, bytes]:
        """All files of the run."""
        found = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in found}


def arguments(task: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, dict[str, Any]]:
    """The data and the settings of a tiny run."""
    found: list[tuple[Path, dict[str, Any]]] = []
    with monkeypatch.context() as patch:
        patch.setattr(recurra, "train", lambda task, data, out, **settings: found.append((data, settings)))
        TINY[task](folder)
    return found[0]


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


@pytest.mark.parametrize("with_valid", [False, True])
@pytest.mark.parametrize("task", CACHED)
def test_taken_data_equal_encoded_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, with_valid: bool
) -> None:
    data, settings = arguments(task, tmp_path, monkeypatch)
    valid = None
    if with_valid:
        valid = data.with_name(f"valid{data.suffix}")
        shutil.copyfile(data, valid)
    made = Prepared(tmp_path / "user", tmp_path / "made", task, data, valid, **settings)
    taken = Prepared(tmp_path / "user", tmp_path / "taken", task, data, valid, **settings)
    assert (made.is_taken, taken.is_taken) == (False, True)
    assert made.files() == taken.files()
    assert made.resolved == taken.resolved
    assert same(vars(made.info), vars(taken.info))
    for part in ("train", "valid"):
        assert taken.dataset.stores[part].fields == made.dataset.stores[part].fields
    rows = getattr(made.dataset, "rows", None)
    if isinstance(rows, RowReader):
        assert [field.storage for field in taken.dataset.rows.fields] == [field.storage for field in rows.fields]
        assert taken.dataset.rows.columns == rows.columns
    # a run with another network has the same data, and a changed file has not
    again = Prepared(tmp_path / "user", tmp_path / "again", task, data, valid, **{**settings, "hidden_size": 12})
    assert again.is_taken
    changed = data if valid is None else valid
    content = changed.read_bytes()
    changed.write_bytes(content + (content[-1:] if task == "language" else b"" if data.suffix == ".npz" else b"\n"))
    if changed.read_bytes() != content:
        assert not Prepared(tmp_path / "user", tmp_path / "changed", task, data, valid, **settings).is_taken


CHANGES: list[dict[str, Any]] = [
    *({"vocabulary_size": 20}, {"min_count": 1}, {"validation_fraction": 0.2}, {"on_error": "skip"}, {"header": "yes"}),
    *(
        {"tokenization": "characters"},
        {"character_ngrams": False},
        {"encoding": "utf-8"},
        {"text": "label", "label": "text"},
    ),
    *({"separator": ","}, {"quoting": "yes"}, {"label": "stars"}),
]


def test_settings_of_the_data_are_in_the_key(tmp_path: Path) -> None:
    data = write_reviews(tmp_path / "reviews.csv")
    usual = {"text": "text", "label": "label"}
    assert not Prepared(tmp_path / "user", tmp_path / "made", "classify", data, **usual).is_taken
    for number, change in enumerate(CHANGES):
        assert not Prepared(tmp_path / "user", tmp_path / f"{number}", "classify", data, **{**usual, **change}).is_taken
    assert Prepared(tmp_path / "user", tmp_path / "taken", "classify", data, **usual).is_taken


def test_a_changed_recording_is_encoded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, settings = arguments("transcribe", tmp_path, monkeypatch)
    assert not Prepared(tmp_path / "user", tmp_path / "made", "transcribe", data, **settings).is_taken
    path = sorted(data.parent.rglob("*.wav"))[3]
    samples = bytearray(path.read_bytes())
    samples[1000] ^= 64
    path.write_bytes(samples)
    assert not Prepared(tmp_path / "user", tmp_path / "changed", "transcribe", data, **settings).is_taken
    settings["frame_stacking"] = 2  # a setting of the model, on which the usable rows depend
    assert not Prepared(tmp_path / "user", tmp_path / "stacked", "transcribe", data, **settings).is_taken


def test_settings_of_the_model_that_change_the_data_are_in_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, settings = arguments("tag", tmp_path, monkeypatch)
    both = [
        Prepared(tmp_path / "user", tmp_path / f"{value}", "tag", data, bidirectional=value, **settings).is_taken
        for value in (True, False)
    ]
    assert both == [False, False]


def test_skipped_rows_are_kept(tmp_path: Path) -> None:
    data = write_reviews(tmp_path / "reviews.csv")
    data.write_text(data.read_text(encoding="utf-8") + "a,b,c,d,e\n,good,1\n", encoding="utf-8")
    usual = {"text": "text", "label": "label", "on_error": "skip"}
    made = Prepared(tmp_path / "user", tmp_path / "made", "classify", data, **usual)
    taken = Prepared(tmp_path / "user", tmp_path / "taken", "classify", data, **usual)
    assert taken.is_taken and made.files() == taken.files()
    lines = taken.files()["skipped.jsonl"].decode().splitlines()
    assert [json.loads(line)["row"] for line in lines] == [49, 50]
    assert made.info.messages == taken.info.messages


def test_code_of_the_user_is_not_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from recurra.fields import Label
    from recurra.tasks.classify.task import Classify
    from recurra.tasks.shared import RowDataset

    class Rounded(Label):  # type: ignore[misc]
        """A label that ends with a mark."""

        def value(self, row: Any, column: str) -> Any:
            return f"{super().value(row, column)}!"

    data = write_reviews(tmp_path / "reviews.csv")
    make: Callable[[Any], RowDataset] = lambda settings: RowDataset(settings, [Rounded("label", "label")])  # noqa: E731
    monkeypatch.setattr(Classify, "dataset_for", make)
    found = Prepared(tmp_path / "user", tmp_path / "run", "classify", data, text="text", label="label")
    assert "not kept in the cache, because they depend on" in found.messages[0] and "Rounded" in found.messages[0]
    assert not (tmp_path / "user").exists()


def test_a_file_that_changes_while_it_is_read_is_not_kept(tmp_path: Path) -> None:
    data = write_reviews(tmp_path / "reviews.csv")
    settings = settings_from(as_given(tasks.get("classify").settings_class), {"text": "text", "label": "label"})
    dataset: Any = tasks.get("classify").dataset_for(settings)
    dataset.reading.cache = used = EncodedCache(tmp_path / "user")

    def append(rows: int) -> None:
        if rows == 48 and len(data.read_text(encoding="utf-8").splitlines()) == 49:
            data.write_text(data.read_text(encoding="utf-8") + "one more,good,1\n", encoding="utf-8")

    dataset.prepare(data, None, tmp_path / "cache", append)
    assert used.messages == ["encoded data: not kept in the cache (a file has changed while it was read)"]
    assert not (tmp_path / "user").exists()
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["train", "valid"]
