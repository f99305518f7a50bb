"""The store of encoded examples, splits by hash, duplicates, and the data report."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.data.report import DataReport
from recurra.data.store.split import Duplicates, digest, part_of
from recurra.data.store.store import Store, StoreWriter
from recurra.errors import CallError, DataError, SettingError

FIELDS = {"text": "ragged:int32", "window": "ragged:float32:3", "label": "int64", "weight": "float32"}


def _rows(count: int) -> list[dict[str, Any]]:
    random = np.random.default_rng(0)
    return [
        {
            "text": random.integers(1, 1000, random.integers(0, 9) * (row % 5 > 0)),
            "window": random.normal(size=(random.integers(0, 5), 3)).astype(np.float32),
            "label": row * 10**12,
            "weight": row / 8,
        }
        for row in range(count)
    ]


def _filled(folder: Path, rows: list[dict[str, Any]]) -> Store:
    writer = StoreWriter(folder, FIELDS)
    for row in rows:
        writer.append(**row)
    return writer.close()


@pytest.mark.parametrize("buffer", [1, 200, 1 << 20])
def test_reading_returns_what_was_written(tmp_path: Path, buffer: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recurra.data.store.store._BUFFER", buffer)
    rows = _rows(63)
    made = _filled(tmp_path / "store", rows)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store"]
    for store in (made, Store(tmp_path / "store")):
        assert len(store) == 63
        assert store.fields == FIELDS
        np.testing.assert_array_equal(store.lengths("text"), [len(row["text"]) for row in rows])
        np.testing.assert_array_equal(store.flat("text"), np.concatenate([row["text"] for row in rows]))
        np.testing.assert_array_equal(store.column("label"), [row["label"] for row in rows])
        np.testing.assert_array_equal(store.column("weight"), [row["weight"] for row in rows])
        assert isinstance(store.column("label"), np.memmap)
        indices = np.array([62, 0, 5, 5, 17])
        for field, width in (("text", ()), ("window", (3,))):
            padded, lengths = store.ragged(field, indices)
            assert lengths.dtype == np.int64
            assert padded.shape == (5, max(len(rows[i][field]) for i in indices), *width)
            for row, length, i in zip(padded, lengths, indices, strict=True):
                np.testing.assert_array_equal(row[:length], rows[i][field].reshape(-1, *width))
                assert not row[length:].any()


def test_rows_are_truncated_to_the_maximum_length(tmp_path: Path) -> None:
    rows = _rows(20)
    padded, lengths = _filled(tmp_path / "store", rows).ragged("text", np.arange(20), max_length=3)
    assert padded.shape == (20, 3)
    np.testing.assert_array_equal(lengths, [min(3, len(row["text"])) for row in rows])


def test_a_store_without_rows(tmp_path: Path) -> None:
    store = _filled(tmp_path / "store", [])
    assert len(store) == 0
    assert store.lengths("text").shape == (0,)
    padded, lengths = store.ragged("text", np.array([], np.int64))
    assert (padded.shape, lengths.shape) == ((0, 0), (0,))


def test_a_complete_store_replaces_the_old_one(tmp_path: Path) -> None:
    _filled(tmp_path / "store", _rows(3))
    writer = StoreWriter(tmp_path / "store", FIELDS)
    writer.append(**_rows(1)[0])
    assert len(Store(tmp_path / "store")) == 3
    writer.close()
    assert len(Store(tmp_path / "store")) == 1


def test_an_error_leaves_no_files(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), StoreWriter(tmp_path / "store", FIELDS) as writer:
        writer.append(**_rows(1)[0])
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    with StoreWriter(tmp_path / "store", FIELDS) as writer:
        writer.append(**_rows(1)[0])
    assert len(Store(tmp_path / "store")) == 1


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = StoreWriter(tmp_path / "store", FIELDS)
    writer.append(**_rows(1)[0])

    class Full:
        def write(self, _: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    for stream in writer._files.values():
        stream.close()
    writer._files = dict.fromkeys(writer._files, Full())  # type: ignore[arg-type]
    with pytest.raises(DataError, match="cannot be written: No space left on device; free disk space"):
        writer.close()
    assert list(tmp_path.iterdir()) == []


def test_invalid_rows_and_fields(tmp_path: Path) -> None:
    for spec in ("int31", "ragged", "ragged:int32:0", "ragged:int32:2:2", "int32:0", "int32:2:2", ""):
        with pytest.raises(CallError, match="is not DTYPE"):
            StoreWriter(tmp_path / "store", {"a": spec})
    good = _rows(2)[1]
    with StoreWriter(tmp_path / "store", FIELDS) as writer:
        for change in (
            {"text": np.zeros((2, 2))},
            {"window": np.zeros((2, 4))},
            {"label": [1]},
            {"window": np.zeros(3)},
        ):
            with pytest.raises(CallError, match="but got the shape"):
                writer.append(**(good | change))
        with pytest.raises(CallError, match="a row has the fields text, window, label, weight, not text"):
            writer.append(text=[1])
        writer.append(**good)
    store = Store(tmp_path / "store")
    assert (len(store), store.lengths("text")[0]) == (1, len(good["text"])), "a row that raised was not stored"


def test_a_damaged_store(tmp_path: Path) -> None:
    folder = tmp_path / "store"

    def damage(name: str, content: bytes | None) -> None:
        _filled(folder, _rows(9))
        path = folder / name
        path.unlink() if content is None else path.write_bytes(content)

    header = json.loads((_filled(folder, _rows(9)).folder / "store.json").read_text())
    ends = bytearray((folder / "text.ends.bin").read_bytes())
    ends[-8] ^= 1
    for name, content in (
        ("store.json", None), ("store.json", b"{}"), ("store.json", b"[]"), ("text.bin", None), ("label.bin", b"1234"),
        ("text.ends.bin", bytes(ends)), ("store.json", json.dumps(header | {"rows": 8}).encode()),
    ):  # fmt: skip
        damage(name, content)
        with pytest.raises(DataError, match=r"missing or damaged .* remove this folder to encode again"):
            Store(folder)
    damage("store.json", json.dumps(header | {"format": 2}).encode())
    with pytest.raises(DataError, match="format 2 is newer"):
        Store(folder)


FRACTIONS = {"train": 0.8, "select": 0.1, "report": 0.1}


@given(st.one_of(st.text(), st.binary()))
@settings(deadline=None)
def test_equal_examples_are_in_the_same_part(key: str | bytes) -> None:
    assert part_of(key, FRACTIONS) == part_of(key, FRACTIONS)
    assert part_of(key, {"a": 0.0, "b": 1.0}) == "b"


def test_parts_have_their_fractions_and_are_stable() -> None:
    parts = [part_of(f"row {i}", FRACTIONS) for i in range(20_000)]
    for name, fraction in FRACTIONS.items():
        deviation = (fraction * (1 - fraction) / 20_000) ** 0.5
        assert abs(parts.count(name) / 20_000 - fraction) < 5 * deviation
    assert digest("row 1") == digest(b"row 1") == 0xFF380E828B25CD47
    other = [part_of(f"row {i}", FRACTIONS, salt="other") for i in range(20_000)]
    both = sum(a == b == "report" for a, b in zip(parts, other, strict=True)) / 20_000
    assert abs(both - 0.01) < 5 * (0.01 / 20_000) ** 0.5, "another salt is independent"
    with pytest.raises(SettingError, match="add up to 1"):
        part_of("a", {"a": 0.5})


def test_duplicates() -> None:
    duplicates = Duplicates()
    for text in ("a", "b", "a", "a", "很", "c", "b"):
        duplicates.add(text)
    assert (len(duplicates), duplicates.count) == (7, 3)
    assert duplicates.repeats().tolist() == [False, False, True, True, False, False, True]
    assert Duplicates().count == 0


def test_report_lines() -> None:
    report = DataReport(
        rows=20_050,
        broken=2,
        broken_places=("a.csv, row 3: bad",),
        duplicates=1_234,
        empty=1,
        classes={"Russian": 9_384, "English": 3_668, "Tiny": 3},
        lengths=DataReport.quantiles([4, 6, 8, 22]),
        unit="characters",
    )
    first, second, third = report.lines()
    assert first == (
        "20,050 rows of 10 characters on average (95 % up to 20, longest 22); 1,234 repeat another row; 1 are empty"
    )
    assert second == (
        "3 classes: Russian 9,384 (72%), English 3,668 (28%), Tiny 3 (0%); unbalanced, 3,128 to 1; "
        "1 with fewer than 5 rows"
    )
    assert third == "2 invalid rows skipped, the first: a.csv, row 3: bad; all are listed in skipped.jsonl of the run"
    assert DataReport(rows=3).lines() == ["3 rows"]
    assert "unbalanced" not in DataReport(rows=100, classes={"a": 55, "b": 45}).lines()[1]


def test_a_field_with_several_numbers_per_row(tmp_path: Path) -> None:
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    with StoreWriter(tmp_path / "store", {"target": "float32:3", "text": "ragged:int32"}) as writer:
        for row in rows:
            writer.append(target=row, text=[1, 2])
        with pytest.raises(CallError, match=r"got the shape \(2,\)"):
            writer.append(target=rows[0, :2], text=[1])
    store = Store(tmp_path / "store")
    assert np.array_equal(store.column("target"), rows)
    with pytest.raises(CallError, match="variable length"):
        store.column("text")
