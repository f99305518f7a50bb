"""Labels: names, the form of several labels per row, their encoding, and thresholds."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.data.sources.sources import open_source
from recurra.errors import DataError
from recurra.fields.label import Label
from recurra.fields.label_columns import LabelForm, find_label_form, find_separator, split_labels
from recurra.fields.label_names import label_text, look_alikes
from recurra.fields.labels import Labels
from recurra.tasks.classify.multi_label import micro_f1
from recurra.tasks.classify.thresholds import fit_thresholds


def table(folder: Path, rows: list[dict[str, Any]], name: str = "a.jsonl") -> Any:
    path = folder / name
    if name.endswith(".jsonl"):
        path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    else:
        cells = [list(rows[0])] + [[str(value) for value in row.values()] for row in rows]
        path.write_text("\n".join(",".join(f'"{cell}"' for cell in row) for row in cells), encoding="utf-8")
    return open_source(path)


def texts(labels: list[Any], column: str = "label") -> list[dict[str, Any]]:
    return [{"text": f"some words of text number {n}", column: one} for n, one in enumerate(labels)]


# names ----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("value", "name"),
    [
        (["pos"], "pos"),
        ("['pos']", "pos"),
        ('["pos"]', "pos"),
        (" pos ", "pos"),
        ("the\u0301", "th\u00e9"),
        ("[pos", "[pos"),
        ("['a', 'b']", "['a', 'b']"),
        (1.0, "1.0"),
        ([3], "3"),
    ],
)
def test_the_name_of_a_label(value: Any, name: str) -> None:
    assert label_text(value) == name


def test_names_that_look_alike() -> None:
    groups = look_alikes(["Pos", "pos", "neg", "1", "1.0", "\uff11", "0", "a b", "a  b", "10", "1_0", "nan"])
    assert groups == [["1", "1.0", "\uff11"], ["Pos", "pos"], ["a  b", "a b"]]


def test_a_class_in_a_list_and_in_two_unicode_forms(tmp_path: Path) -> None:
    label = Label("label")
    source = table(tmp_path, texts([["caf\u00e9"], ["cafe\u0301"], "th\u00e9", "the\u0301"] * 5))
    column = label.find(source, ())
    label.fit(row.values[column] for row in source.rows())
    assert label.classes == ["caf\u00e9", "th\u00e9"] and label.indices(["cafe\u0301", ["th\u00e9"], "tea"]) == [
        0,
        1,
        -1,
    ]
    assert not any("differ" in line for line in label.describe())


def test_several_labels_are_no_class() -> None:
    label = Label("label")
    assert label.check(["a"]) is None
    assert "has 2 labels" in str(label.check(["a", "b"])) and "--multi-label" in str(label.check(["a", "b"]))
    assert "--multi-label" in str(label.check([])) and label.check(" ") == "is empty"


def test_classes_that_look_alike_cause_a_warning(tmp_path: Path) -> None:
    label = Label("label")
    label.fit(["Yes", "yes", "no"] * 3)
    line = next(line for line in label.describe() if line.startswith("warning: classes differ"))
    assert "'Yes' (3) and 'yes' (3)" in line and "'no'" not in line


# the form of several labels -------------------------------------------------------------------------------------------
SETS = [["a"], ["b"], ["a", "b"], ["c"], ["b", "c"], ["a", "c"], ["a", "b", "c"]]


@pytest.mark.parametrize(
    ("labels", "column", "form"),
    [
        (SETS, "labels", LabelForm("cells", ("labels",))),
        (SETS, "topics", LabelForm("cells", ("topics",))),
        ([str(one) for one in SETS], "label", LabelForm("cells", ("label",))),
        ([json.dumps(one) for one in SETS], "label", LabelForm("cells", ("label",))),
        ([";".join(one) for one in SETS], "label", LabelForm("cells", ("label",), ";")),
        (["|".join(one) for one in SETS], "genres", LabelForm("cells", ("genres",), "|")),
        ([",".join(one) for one in SETS], "label", LabelForm("cells", ("label",), ",")),
        ([" ".join(one) for one in SETS], "label", LabelForm("cells", ("label",), " ")),
        (["".join(f"<{name}>" for name in one) for one in SETS], "tags", LabelForm("cells", ("tags",), "><")),
        ([["a"], ["b"]] * 4, "label", LabelForm("label", ("label",))),
        (["a", "b", "c d"] * 4, "label", LabelForm("label", ("label",))),
        (["New York", "New Jersey", "York", "Jersey City"] * 4, "label", LabelForm("label", ("label",))),
        (["book flight", "book hotel", "cancel flight", "cancel hotel"] * 4, "label", LabelForm("label", ("label",))),
        (["Sci, Fi", "Crime, Noir"] * 4, "label", LabelForm("label", ("label",))),
    ],
)
def test_the_form_of_the_labels(tmp_path: Path, labels: list[Any], column: str, form: LabelForm) -> None:
    found = find_label_form(table(tmp_path, texts(labels * 3, column)), None, None)
    assert (found.kind, found.columns, found.separator) == (form.kind, form.columns, form.separator)
    assert find_label_form(table(tmp_path, texts(labels * 3, column)), column, False).kind == "label"


def test_one_column_for_each_label(tmp_path: Path) -> None:
    draw = random.Random(0)
    rows = [{"id": f"{n:04x}", "comment_text": f"some words of a text {n}", **{k: draw.randint(0, 1) for k in "pqr"}}
            for n in range(30)]  # fmt: skip
    for name in ("a.csv", "a.jsonl"):
        found = find_label_form(table(tmp_path, rows, name), None, None)
        assert (found.kind, found.columns) == ("columns", ("p", "q", "r"))
    assert find_label_form(table(tmp_path, rows), "r,p", None).columns == ("r", "p")
    with pytest.raises(DataError, match="unknown column 'w'"):
        find_label_form(table(tmp_path, rows), "p,w", None)
    with pytest.raises(DataError, match="requires --multi-label"):
        find_label_form(table(tmp_path, rows), "p,r", False)
    named = [{**row, "label": "pn"[n % 2]} for n, row in enumerate(rows)]
    assert find_label_form(table(tmp_path, named), None, None).columns == ("label",)


def test_separators_on_request() -> None:
    assert find_separator(["a,b", "c,d"]) is None and find_separator(["a,b", "c,d"], surely=True) == ","
    assert split_labels("a, b,,a", ",") == ["a", "b"] and split_labels("", ";") == split_labels([], None) == []


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.sampled_from(["red", "green", "blue", "x y"]), unique=True), min_size=1, max_size=20))
def test_sets_are_encoded(sets: list[list[str]]) -> None:
    """Each form gives the same sets; only labels that occur are known."""
    for form, write in (
        (LabelForm("cells", ("label",)), list),
        (LabelForm("cells", ("label",)), str),
        (LabelForm("cells", ("label",), ";"), ";".join),
        (LabelForm("cells", ("label",), "><"), lambda names: "".join(f"<{name}>" for name in names)),
    ):
        field = Labels("label")
        field.form = form
        values = [write(names) for names in sets]
        assert all(field.check(value) is None for value in values)
        if not any(sets):
            with pytest.raises(DataError, match="no row has a label"):
                field.fit(values)
            continue
        field.fit(values)
        found = [[field.classes[k] for k in row.nonzero()[0]] for row in field.encode(values)]
        assert found == [sorted(names) for names in sets]
        assert field.empty_rows == sum(not names for names in sets) and field.storage == f"uint8:{len(field.classes)}"


def test_values_that_are_no_sets(tmp_path: Path) -> None:
    field = Labels("label")
    assert "is missing" in str(field.check(None)) and "expected a list" in str(field.check([["a"]]))
    field.form = LabelForm("columns", ("x", "y"))
    assert field.check({"x": 1, "y": "true"}) is None
    assert field.check({"x": 2, "y": 0}) == "has 2 in column 'x'; expected 0 or 1"
    field.fit([{"x": 1, "y": 0}, {"x": 0, "y": "1.0"}])
    assert [row.tolist() for row in field.encode([{"x": "yes", "y": "1"}, {"x": "no", "y": 0}])] == [[1, 1], [0, 0]]
    field.save(tmp_path)
    other = Labels("label")
    other.load(tmp_path)
    assert (other.form, other.classes, other.counts) == (field.form, ["x", "y"], {"x": 1, "y": 1})
    field.form = LabelForm("cells", ("label",))
    with pytest.raises(DataError, match="label 'z' was not in the training data"):
        field.encode([["x"], ["z"]])


# thresholds -----------------------------------------------------------------------------------------------------------
@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(12, 60))
def test_no_threshold_has_a_higher_f1(seed: int, rows: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    true = torch.rand(rows, 3, generator=generator) < 0.4
    outputs = (torch.randn(rows, 3, generator=generator) + true.float()).round(decimals=1)  # with equal outputs
    thresholds, fitted = fit_thresholds(outputs, true)
    for k in range(3):
        if min(int(true[:, k].sum()), int((~true[:, k]).sum())) < 5:
            assert thresholds[k] == 0
            continue
        best = max(float(micro_f1(outputs[:, k] > limit, true[:, k])) for limit in [*outputs[:, k], outputs.min() - 1])
        assert float(micro_f1(outputs[:, k] > thresholds[k], true[:, k])) == pytest.approx(best, abs=1e-12)
    assert fitted <= 3
