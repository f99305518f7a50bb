"""Input types: selection, columns, windows in one row, settings of another type, old runs."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tiny_runs import reviews

import recurra
from recurra.data.sources.sources import open_source
from recurra.errors import CallError, DataError, SettingError
from recurra.fields.label import Label
from recurra.fields.windows import Windows
from recurra.progress import Silent
from recurra.settings import as_given, settings_from
from recurra.tasks.classify.task import Classify
from recurra.tasks.inputs.registry import INPUTS, InputData, choose_input
from recurra.tasks.inputs.text import TextData

SMALL: dict[str, Any] = {"hidden_size": 8, "steps": 4, "ensemble_size": 1, "threads": 1}


class Lines(Silent):
    """Records the printed lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, line: str) -> None:
        self.lines.append(line)


def table(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def grid(path: Path, rows: int = 60, *, more: bool = False) -> Path:
    """Rows of 2 x 3 numbers whose sign is the class, named after grid positions, optionally with a row counter."""
    draw = np.random.default_rng(0)
    header = ["label", *(f"r{r}c{c}" for r in range(2) for c in range(3))]
    signs = [1 if n % 2 else -1 for n in range(rows)]
    content = [["up" if sign > 0 else "down", *(sign * draw.uniform(0.5, 1, 6)).round(3)] for sign in signs]
    if more:
        header, content = ["id", *header], [[n, *row] for n, row in enumerate(content, 1)]
    return table(path, header, content)


def chosen(path: Path, **settings: Any) -> tuple[str, str]:
    given = settings_from(as_given(Classify.settings_class), settings)
    label = Label("label", None)
    return choose_input(given, open_source(path), lambda source: [label.find(source, ())])


def test_the_input_type_is_selected_by_the_values(tmp_path: Path) -> None:
    assert chosen(grid(tmp_path / "a.csv")) == ("numbers", "6 columns hold numbers")
    assert chosen(table(tmp_path / "b.csv", ["text", "label"], [[f"so {n} it", n % 2] for n in range(9)]))[0] == "text"
    lists = tmp_path / "c.jsonl"
    lists.write_text("\n".join(json.dumps({"w": [n, 1.5], "label": n % 2}) for n in range(9)))
    assert chosen(lists) == ("numbers", "column 'w' holds lists of numbers")
    files = [[f"{n}.png", n % 2] for n in range(9)]
    assert chosen(table(tmp_path / "d.csv", ["picture", "label"], files)) == (
        "image",
        "column 'picture' contains images",
    )
    two = table(tmp_path / "e.csv", ["word", "count", "label"], [[f"w{n}", n * 3 % 7, n % 2] for n in range(9)])
    assert chosen(two)[0] == "text"  # one column is not numeric


def test_a_setting_of_one_type_selects_it(tmp_path: Path) -> None:
    data = grid(tmp_path / "a.csv")
    assert chosen(data, tokenization="words") == ("text", "selected by tokenization")
    assert chosen(data, embedding_size=3)[0] == "text"
    assert chosen(data, image_size="4x4")[0] == "image"
    assert chosen(data, input="text") == ("text", "as requested")
    with pytest.raises(
        SettingError,
        match="tokenization applies only to text inputs, but input=numbers; remove tokenization, or set input=text",
    ):
        chosen(data, input="numbers", tokenization="words")
    with pytest.raises(
        SettingError, match="step_width applies only to numbers inputs, and tokenization only to text inputs; remove"
    ):
        chosen(data, step_width=2, tokenization="words")
    with pytest.raises(SettingError, match=r"setting data.input = 'sound'"):
        chosen(data, input="sound")


def test_the_columns_of_a_row_are_a_window(tmp_path: Path) -> None:
    """Training works and prints the columns; a window can be given as columns, an object, or a list of time steps."""
    printed = Lines()
    data = grid(tmp_path / "a.csv", more=True)
    run = recurra.train("classify", data, out=tmp_path / "run", progress=printed, **(SMALL | {"steps": 60}))
    assert "window: 6 columns, r0c0 ... r1c2: 2 time steps, 3 numbers per time step" in printed.lines
    assert "input: numbers (6 columns hold numbers)" in printed.lines  # the ID is a row counter and is left out
    assert run.evaluate(data)["accuracy"] == 1
    window = [0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    names = [f"r{r}c{c}" for r in range(2) for c in range(3)]
    forms = [
        dict(zip(names, window, strict=True)),
        {"window": [window[:3], window[3:]]},
        [window[:3], window[3:]],
        window,
    ]
    answers = run.predict(forms)
    assert answers[0]["label"] == "up" and all(answer == answers[0] for answer in answers)
    assert recurra.load(run.path).predict(forms) == answers
    with pytest.raises(CallError, match=re.escape("window has the shape (1, 2), expected (steps, 3)")):
        run.predict([[[1, 2]]])
    rows = list(run.task.dataset.inputs(str(data)))
    assert run.predict(rows[:1]) == run.predict([[float(cell) for cell in rows[0]]])
    narrow = table(tmp_path / "b.csv", ["label", *names[:5]], [["up", *window[:5]]])
    with pytest.raises(DataError, match="unknown column 'r1c2'"):
        run.evaluate(narrow)


def test_a_cell_that_is_not_a_number_is_reported(tmp_path: Path) -> None:
    data = grid(tmp_path / "a.csv", 300)
    lines = data.read_text().splitlines()
    lines[7] = lines[7].rpartition(",")[0] + ",high"
    data.write_text("\n".join(lines) + "\n")
    with pytest.raises(
        DataError, match=r"a.csv, row 7, field 'window': has 'high' in column 'r1c2', which is not a number"
    ):
        recurra.train("classify", data, out=tmp_path / "run", **SMALL)


@pytest.mark.parametrize(
    ("names", "width"),
    [
        (["a0_0", "a0_1", "a1_0", "a1_1"], 2),
        (["pixel_0_0", "pixel_0_1", "pixel_0_2", "pixel_1_0", "pixel_1_1", "pixel_1_2"], 3),
        (["1x1", "1x2", "2x1", "2x2"], 2),
        (["a0_0", "a1_0", "a0_1", "a1_1"], None),  # column-major order
        (["a0_0", "a0_1", "a1_0"], None),
        (["x1", "x2", "x3"], None),
    ],
)
def test_a_grid_is_recognised_by_its_names(tmp_path: Path, names: list[str], width: int | None) -> None:
    """A time step is a row of the grid; without a grid each column is a time step."""
    field = Windows("window", None)
    rows = [["ab"[n % 2], *(n * 5 % 7 + k for k in range(len(names)))] for n in range(9)]
    field.adapt_source(open_source(table(tmp_path / "a.csv", ["label", *names], rows)), lambda _: ["label"])
    assert field.parts == names and field.width == (width or 1)


def test_the_step_width_can_be_set(tmp_path: Path) -> None:
    field = Windows("window", None, 2)
    source = field.adapt_source(open_source(grid(tmp_path / "a.csv")), lambda _: ["label"])
    assert field.find(source, ()) == "window" and field.width == 2
    assert field.numbers(("1", "2", "3", "4", "5", "6")).tolist() == [[1, 2], [3, 4], [5, 6]]
    wrong = Windows("window", None, 4)
    with pytest.raises(SettingError, match="step_width = 4, but a window has 6 columns"):
        wrong.adapt_source(open_source(tmp_path / "a.csv"), lambda _: ["label"])


def test_regression_on_windows(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    rows = [{"window": values.round(3).tolist(), "sum": float(values.sum())} for values in draw.normal(0, 1, (80, 4))]
    data = tmp_path / "a.jsonl"
    data.write_text("\n".join(map(json.dumps, rows)))
    options = SMALL | {"hidden_size": 16, "steps": 150, "learning_rate": 0.02, "dropout": 0.0, "ema_decay": 0.9}
    run = recurra.train("regress", data, target="sum", out=tmp_path / "run", **options)
    assert run.settings.data.input == "numbers"  # type: ignore[attr-defined]
    assert run.evaluate(data)["r2"] > 0.8


def test_numbers_stream(tmp_path: Path) -> None:
    run = recurra.train("classify", grid(tmp_path / "a.csv"), out=tmp_path / "run", bidirectional=False, **SMALL)
    whole = run.predict([[[1, 2, 3], [4, 5, 6]]])[0]
    with run.stream() as session:
        session.push([[1, 2, 3]])
        session.push([[4, 5, 6]])
        assert session.result()["probabilities"] == pytest.approx(whole["probabilities"], abs=1e-5)


def test_a_run_without_an_input_type_has_text_input(tmp_path: Path) -> None:
    run = reviews(tmp_path)
    answers = run.predict(["a dull film"])
    config = yaml.safe_load((run.path / "config.yaml").read_text())
    config["data"] = {key: value for key, value in config["data"].items() if key in {"label", *TextData.model_fields}}
    del config["model"]["random_shift"]
    (run.path / "config.yaml").write_text(yaml.safe_dump(config))
    assert recurra.load(run.path).predict(["a dull film"]) == answers


def test_every_input_type_is_a_value_of_the_setting() -> None:
    words = InputData.model_fields["input"].annotation
    assert all(f"'{name}'" in str(words) for name in INPUTS)
    assert list(INPUTS)[-1] == "text"  # which matches anything


@pytest.mark.parametrize("names", [[""], ["north", "south"]])
def test_a_table_of_time_series_is_not_read_as_text(tmp_path: Path, names: list[str]) -> None:
    path = tmp_path / "series.csv"
    rows = [f"{name},2024-01-{day:02d},{day * 1.5}" for name in names for day in range(1, 29)]
    lines = ["series,time,value", *rows] if len(names) > 1 else ["time,value", *(row[1:] for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(
        DataError, match=r"series\.csv: .* column 'time' holds timestamps.* use `recurra train forecast`"
    ):
        recurra.train("regress", path, target="value", out=tmp_path / "run", progress=Silent())


def test_a_named_text_column_beside_timestamps_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "visits.csv"
    rows = [f"{name},2024-01-{day:02d},{day * 1.5}" for name in ("north", "south") for day in range(1, 29)]
    path.write_text("\n".join(["series,time,value", *rows]) + "\n")
    run = recurra.train(
        "regress", path, target="value", text="series", epochs=1, out=tmp_path / "run", progress=Silent()
    )
    assert run.predict(["north"])[0]["prediction"] == pytest.approx(21, abs=21)
