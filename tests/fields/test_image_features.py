"""The field of feature vectors: forms of a value, invalid values, standardization, saving and loading."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recurra.data.sources.sources import open_source
from recurra.errors import DataError
from recurra.fields.image_features import ImageFeatures, features_column


def rows(path: Path, values: list[Any], column: str = "features") -> Path:
    path.write_text("".join(json.dumps({"id": n, column: value, "text": "a"}) + "\n" for n, value in enumerate(values)))
    return path


def found(path: Path, named: str | None = None) -> tuple[ImageFeatures, list[Any]]:
    field, source = ImageFeatures("features", named), open_source(path)
    column = field.find(source, ())
    return field, [field.value(row, column) for row in source.rows()]


def test_all_forms_of_features_are_vectors(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(12.0).reshape(2, 3, 2))
    field, values = found(rows(tmp_path / "a.jsonl", [[1, 2], [[1, 2], [3, 4]], "a.npy"]))
    assert field.width == 2 and [field.check(value) for value in values] == [None, None, None]
    assert [field.to_vectors(value).tolist() for value in values] == [
        [[1, 2]], [[1, 2], [3, 4]], [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11]]
    ]  # fmt: skip
    assert field.key(values[0]) != field.key(values[1]) and field.key([1.0, 2.0]) == field.key(values[0])
    assert field.is_single_input("a.NPY") and not field.is_single_input("a.jsonl")


def test_features_are_standardized_over_all_vectors(tmp_path: Path) -> None:
    field, values = found(rows(tmp_path / "a.jsonl", [[0, 5], [[2, 5], [4, 5]]]))
    field.fit(values)
    one, two = field.encode(values)
    spread = np.sqrt(8 / 3)  # of 0, 2 and 4; the other feature is constant and is only centered
    assert one.dtype == np.float32 and field.storage == "ragged:float32:2"
    np.testing.assert_allclose(np.concatenate([one, two]), [[-2 / spread, 0], [0, 0], [2 / spread, 0]], rtol=1e-6)
    field.save(tmp_path)
    loaded = ImageFeatures("features", None)
    loaded.load(tmp_path)
    assert loaded.width == 2 and np.array_equal(loaded.encode(values)[1], two)
    assert loaded.describe() == ["features: vectors of 2 features"]


def test_invalid_values(tmp_path: Path) -> None:
    field, _ = found(rows(tmp_path / "a.jsonl", [[1, 2, 3]]))
    np.save(tmp_path / "words.npy", np.array(["a", "b"]))
    np.save(tmp_path / "one.npy", np.array(5.0))
    for value, message in (
        ([1, 2], "has 2 features per vector, others have 3"),
        ([1, 2, float("nan")], "has a number that is not finite"),
        (5, "is '5', not a list of numbers"),
        (["a", "b", "c"], "is \"['a', 'b', 'c']\", not a list of numbers"),
        (None, "is 'None', not a list of numbers"),
        (f"{tmp_path}/no.npy", f"names the file {tmp_path}/no.npy, which does not exist"),
        (f"{tmp_path}/words.npy", "does not consist of numbers"),
        (f"{tmp_path}/one.npy", "is one number, not a vector"),
    ):
        assert field.check(value) == message


def test_the_column_is_found_by_its_name_then_by_its_values(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"other": [1, n], "vector": [n, 2], "text": "a"}) + "\n" for n in range(3)))
    assert features_column(open_source(path), ()) == "vector"
    assert features_column(open_source(path), ("vector",)) == "other"
    assert features_column(open_source(path), ("vector", "other")) is None
    assert found(path, "other")[1] == [[1, 0], [1, 1], [1, 2]]
    with pytest.raises(DataError, match=r"no column contains features \(columns: id, words, text\)"):
        found(rows(tmp_path / "b.jsonl", ["no numbers"], "words"))
