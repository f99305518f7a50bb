"""Windows from long tables with one row per time step: joining, order, streaming, columns, invalid rows, and runs."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import recurra
from recurra.cli import main as cli
from recurra.data.sources.long_format import Grouped, Window, parse_time
from recurra.data.sources.long_format_columns import find_channels, find_targets
from recurra.data.sources.rows import Row, Source
from recurra.data.sources.sources import open_source
from recurra.errors import CallError, DataError, SettingError
from recurra.fields.base import Field
from recurra.fields.label import Label
from recurra.fields.number import Number
from recurra.fields.windows import Windows
from recurra.progress import Silent
from recurra.run import Run
from recurra.settings import as_given, settings_from
from recurra.tasks.classify.task import Classify
from recurra.tasks.inputs.registry import choose_input

SMALL: dict[str, Any] = {
    "hidden_size": 8,
    "steps": 60,
    "learning_rate": 0.02,
    "ensemble_size": 1,
    "threads": 1,
    "bidirectional": False,
}
THREE = """id,t,ax,ay,label
a,0,0.5,2,walk
a,1,1.5,3,walk
b,0,7,0.25,run
c,0,4,4,walk
c,1,5,5,walk
c,2,6,6,walk
"""
STEPS = {"a": [[0.5, 2], [1.5, 3]], "b": [[7, 0.25]], "c": [[4, 4], [5, 5], [6, 6]]}


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def grouped(path: Path, time: str | None = None) -> Grouped:
    return Grouped(open_source(path), "id", ["ax", "ay"], "window", same=["label"], time=time)


def steps(source: Source) -> dict[str, list[list[float]]]:
    """The windows of a source, which must all be valid."""
    windows = [row.values["window"] for row in source.rows()]
    assert [window.error for window in windows] == [None] * len(windows)
    return {window.series: window.steps.tolist() for window in windows}


def errors(source: Source) -> dict[str, str]:
    """The errors by series."""
    windows = [row.values["window"] for row in source.rows()]
    return {window.series: str(window.error) for window in windows if window.error is not None}


def swings(path: Path, count: int = 60, *, number: bool = False, seed: int = 0) -> Path:
    """Series of 3 to 9 steps and two channels. The sign of the first is the class; its mean is the number."""
    draw = np.random.default_rng(seed)
    lines = ["id,t,ax,ay," + ("height" if number else "label")]
    for n in range(count):
        sign = 1 if n % 2 else -1
        ax = sign * draw.uniform(0.5, 1.5, draw.integers(3, 10)).round(3)
        target = f"{ax.mean():.4f}" if number else "up" if sign > 0 else "down"
        lines += [f"s{n},{t * 0.5},{x},{draw.normal():.3f},{target}" for t, x in enumerate(ax)]
    return write(path, "\n".join(lines) + "\n")


# rows of one series are one row ---------------------------------------------------------------------------------------
def test_rows_are_joined(tmp_path: Path) -> None:
    source = grouped(write(tmp_path / "a.csv", THREE))
    assert source.columns == ["label", "window"]
    rows = list(source.rows())
    assert [(row.number, row.line, row.values["label"]) for row in rows] == [
        (1, 2, "walk"),
        (3, 4, "run"),
        (4, 5, "walk"),
    ]
    assert steps(source) == STEPS
    assert steps(source) == STEPS  # and in another pass


class Counting(Source):
    """A source that counts the rows that were read."""

    format = "made"
    columns = ("id", "ax", "ay", "label")  # type: ignore[assignment]

    def __init__(self, rows: int, each: int) -> None:
        super().__init__(Path("made"), "made")
        self.count, self.each, self.taken = rows, each, 0

    def _read(self) -> Iterator[Row | DataError]:
        for n in range(self.count):
            self.taken = n + 1
            yield Row(n + 1, {"id": n // self.each, "ax": n, "ay": -n, "label": "x"}, self.path)


def test_one_series_at_a_time_is_in_memory() -> None:
    source = Counting(1_000, 10)
    rows = Grouped(source, "id", ["ax", "ay"], "window").rows()
    for n in range(1, 100):
        window = next(rows).values["window"]
        assert window.steps.tolist() == [[k, -k] for k in range(10 * n - 10, 10 * n)]
        assert source.taken == 10 * n + 1  # the first row of the next series ends it
    assert len(next(rows).values["window"].steps) == 10 and not list(rows)


@pytest.mark.parametrize("together", [True, False])
def test_a_time_column_orders_the_time_steps(tmp_path: Path, together: bool) -> None:
    """Times are compared as numbers: 9 before 10, -1 before 0."""
    draw = random.Random(0)
    lines = [[f"{name},{t},{n}.{t + 1},{t * n},x" for t in range(-1, 11)] for n, name in enumerate("abc")]
    if together:
        mixed = [line for part in lines for line in draw.sample(part, len(part))]
    else:
        mixed = [line for part in lines for line in part]
        draw.shuffle(mixed)
    path = write(tmp_path / "a.csv", "\n".join(["id,t,ax,ay,label", *mixed]))
    expected = {name: [[float(f"{n}.{t + 1}"), t * n] for t in range(-1, 11)] for n, name in enumerate("abc")}
    assert steps(grouped(path, "t")) == expected


def test_a_series_is_returned_when_its_last_row_is_read() -> None:
    source = Counting(1_000, 10)
    rows = Grouped(source, "id", ["ax", "ay"], "window", time="ax").rows()
    assert next(rows).values["window"].steps[:, 0].tolist() == list(range(10))
    assert source.taken == 11  # of the second pass; the first pass counts


@pytest.mark.parametrize(
    ("early", "late"),
    [
        ("9", "10"),
        ("-0.5", "1e-3"),
        ("1700000000000000001", "1700000000000000002"),  # equal as floats
        ("2020-01-31 12:00:00.25", "2020-01-31T12:00:00.5"),
        ("2020/01/31", "2020-02-01"),
        ("2020-01-31T12:00:00+02:00", "2020-01-31T11:00:00Z"),
    ],
)
def test_times_are_parsed(early: str, late: str) -> None:
    one, other = parse_time(early), parse_time(late)
    assert one is not None and other is not None and one < other


@pytest.mark.parametrize("cell", ["", "noon", "31.01.2020", None, "nan"])
def test_cells_that_are_not_times(cell: str | None) -> None:
    assert parse_time(cell) is None


def test_windows_with_equal_time_steps_have_equal_keys() -> None:
    """Also long windows, whose text representation is abbreviated. Equal keys go to the same part of a split."""
    field = Windows("window", None, series="id")
    flat, bent = np.zeros((2_000, 3)), np.zeros((2_000, 3))
    bent[1_000, 1] = 1
    one, same, other = (field.key(Window(name, steps)) for name, steps in (("a", flat), ("b", flat), ("c", bent)))
    assert one == same != other


# bad rows -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("line", "row", "bad"),
    [
        (2, "a,1,high,3,walk", {"a": "row 2, field 'window': has 'high' in column 'ax', which is not a number, in series 'a'"}),
        (2, "a,1,1,nan,walk", {"a": "row 2, field 'window': has 'nan' in column 'ay', which is a missing value, in series"}),
        (2, "a,1,,3,walk", {"a": "row 2, field 'window': has an empty cell in column 'ax', in series 'a'"}),
        (2, "a,1,1,3,run", {"a": "row 2, field 'window': has 'run' in column 'label', but row 1 of the same series 'a' has"}),
        (5, "c,1,5,5,", {"c": "row 5, field 'window': has '' in column 'label', but row 4 of the same series 'c' has"}),
        (5, "c,1,5,5", {"c": "row 5: 4 cells, but the header has 5"}),  # the neighbors determine the series
        (5, ",1,5,5,walk", {"c": "row 5, field 'id': has no series ID"}),
        (2, "a,1,1.5", {"a": "row 2: 3 cells", "b": "row 2: 3 cells"}),  # the last row of a or the first of b
        (6, "c", {"c": "row 6: 1 cell, but"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("time", [None, "t"])
def test_an_invalid_row_invalidates_only_its_series(
    tmp_path: Path, line: int, row: str, bad: dict[str, str], time: str | None
) -> None:
    lines = THREE.splitlines()
    lines[line] = row
    source = grouped(write(tmp_path / "a.csv", "\n".join(lines)), time)
    found = errors(source)
    assert found.keys() == bad.keys()
    for name, message in bad.items():
        assert f"a.csv, {message}" in found[name] and f"(line {line + 1})" in found[name]
    rest = {r.values["window"].series: r.values["window"].steps.tolist() for r in source.rows()}
    assert {name: rest[name] for name in STEPS.keys() - bad.keys()} == {n: STEPS[n] for n in STEPS.keys() - bad.keys()}


def test_a_series_that_is_not_contiguous_is_reported(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", THREE + "b,1,1,1,run\n")
    with pytest.raises(
        DataError, match=r"a.csv, row 7, field 'id': the series 'b' ended in row 3: .*--time \(line 8\)"
    ):
        list(grouped(path).rows())
    assert steps(grouped(path, "t")) == STEPS | {"b": [[7, 0.25], [1, 1]]}


def test_times_that_cannot_be_ordered(tmp_path: Path) -> None:
    twice = write(tmp_path / "a.csv", THREE.replace("c,2,", "c,0.0,"))
    assert (
        "row 6, field 'window': repeats the time in column 't' of row 4 of series 'c'"
        in errors(grouped(twice, "t"))["c"]
    )
    words = write(tmp_path / "b.csv", THREE.replace("a,1,", "a,noon,"))
    assert (
        "row 2, field 'window': has 'noon' in column 't', which is not a time such as 12.5 or"
        in errors(grouped(words, "t"))["a"]
    )
    mixed = write(tmp_path / "c.csv", THREE.replace("a,1,", "a,2020-01-01,"))
    assert "a date, but a number in row 1 of the same series 'a'" in errors(grouped(mixed, "t"))["a"]


def test_only_invalid_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,ax,ay,label\n1,2\n,1,2,x\n")
    with pytest.raises(DataError, match=r"a\.csv, row 1: 2 cells, but the header has 4"):
        list(grouped(path).rows())


# which column is what -------------------------------------------------------------------------------------------------
def channels(path: Path, target: Field | None = None, time: str | None = None) -> Any:
    """The target, by default a label, the channels, and the ignored columns with the reason."""
    field, source = target or Label("label", None), open_source(path)
    targets = find_targets(source, "id", time, lambda source: [field.find(source, ())])
    return targets, *find_channels(source, "id", time, targets)


def made(path: Path, header: str, row: Any, count: int = 40, each: int = 8) -> Path:
    """A table with `row(n, t)` for each time step t of each series n."""
    lines = [",".join(map(str, (f"s{n}", *row(n, t)))) for n in range(count) for t in range(each)]
    return write(path, "\n".join([f"id,{header}", *lines]))


def test_numbers_are_channels_and_other_columns_are_ignored(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    path = made(
        tmp_path / "a.csv",
        "t,row,step,note,ax,steady,label",
        lambda n, t: (t / 50, 8 * n + t, t, "ok", draw.normal(), n * 7 % 5, "ab"[n % 2]),
    )
    targets, found, ignored = channels(path)
    assert (targets, found) == (["label"], ["ax", "steady"])
    assert ignored == {
        "t": "a time; use --time t to order the time steps by it",
        "row": "a row counter",
        "step": "a time; use --time step to order the time steps by it",
        "note": "not numeric",
    }
    assert channels(path, time="t")[2]["step"] == "a time" and "t" not in channels(path, time="t")[2]
    assert find_channels(open_source(path), "id", None, ["label"], "step, ax") == (["step", "ax"], {})
    with pytest.raises(DataError, match="no column has the numbers of a time step; name them with --measurements A,B"):
        find_channels(open_source(path), "id", None, ["label", "ax", "steady"])


def test_a_target_is_constant_within_a_series(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    path = made(tmp_path / "a.csv", "gear,ax,kind", lambda n, t: (t % 3, draw.normal(), "pq"[n % 2]))
    assert channels(path)[:2] == (["kind"], ["gear", "ax"])  # gear has few values too
    assert channels(path, Label("label", "gear"))[0] == ["gear"]  # the error is raised when it is read
    path = made(tmp_path / "c.csv", "gear,ax,life", lambda n, t: (t % 3, draw.normal(), n * 1.7))
    assert channels(path, Number("number", None))[:2] == (["life"], ["gear", "ax"])
    two = made(tmp_path / "d.csv", "ax,kind,life", lambda n, t: (draw.normal(), "pq"[n % 2], n * 1.7))
    with pytest.raises(DataError, match="the label could be 'kind' or 'life'; name it with --label"):
        channels(two)
    named = made(tmp_path / "b.csv", "x,y,z,life", lambda n, t: (*draw.normal(size=3).round(2), n * 1.7))
    with pytest.raises(DataError, match="the target could be 'y', which changes within a series, or 'life'; name it"):
        channels(named, Number("number", None))
    assert channels(named, Number("number", "life"))[:2] == (["life"], ["x", "y", "z"])


# whole runs -----------------------------------------------------------------------------------------------------------
class Lines(Silent):
    """Keeps what is printed."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("long")


@pytest.fixture(scope="module")
def printed() -> Lines:
    return Lines()


@pytest.fixture(scope="module")
def run(folder: Path, printed: Lines) -> Run:
    return recurra.train(
        "classify", swings(folder / "a.csv"), sequence_id="id", out=folder / "run", progress=printed, **SMALL
    )


def test_it_learns_by_series(run: Run, printed: Lines, folder: Path) -> None:
    assert "60 rows" in printed.lines and "input: numbers (selected by sequence_id)" in printed.lines
    assert "window: the rows of each id: 2 numbers per time step, ax, ay" in printed.lines
    assert "ignored: t (a time; use --time t to order the time steps by it)" in printed.lines
    assert run.evaluate(swings(folder / "other.csv", 30, seed=1))["accuracy"] == 1
    info = run.config["resolved"]["dataset"]
    assert (info["rows"], info["valid_rows"]) == (54, 6)  # of 60 series; no series is in both parts


def test_tables_lists_and_objects_give_the_same_results(run: Run, folder: Path) -> None:
    other = swings(folder / "other.csv", 30, seed=1)
    examples = list(run.task.dataset.inputs(str(other)) or ())
    answers = run.predict(examples)
    assert [answer["series"] for answer in answers] == [f"s{n}" for n in range(30)]
    assert [answer["label"] for answer in answers] == ["down", "up"] * 15
    lists = [example.steps.tolist() for example in examples]
    bare = [{key: value for key, value in answer.items() if key != "series"} for answer in answers]
    assert run.predict(lists) == bare
    assert run.predict([{"window": steps} for steps in lists]) == bare
    assert run.predict([{"id": f"s{n}", "window": steps} for n, steps in enumerate(lists)]) == answers
    assert recurra.load(run.path).predict(lists) == bare
    with run.stream() as session:
        for step in lists[0]:
            session.push([step])
        assert session.result()["probabilities"] == pytest.approx(bare[0]["probabilities"], abs=1e-5)
    rows = folder / "other.jsonl"
    labels = [answer["label"] for answer in answers]
    rows.write_text("\n".join(json.dumps({"window": w, "label": l}) for w, l in zip(lists, labels, strict=True)))
    assert run.evaluate(rows) == run.evaluate(other)


def test_prediction_requires_no_labels(run: Run, folder: Path) -> None:
    rows = [line.rpartition(",")[0] for line in (folder / "a.csv").read_text().splitlines()]
    path = write(folder / "bare.csv", "\n".join(rows))
    whole, bare = (list(run.task.dataset.inputs(str(file)) or ()) for file in (folder / "a.csv", path))
    assert run.predict(whole) == run.predict(bare)
    narrow = write(folder / "narrow.csv", "\n".join(row.rpartition(",")[0] for row in rows))
    with pytest.raises(DataError, match="unknown column 'ay'; expected one of id, t, ax"):
        run.task.dataset.inputs(str(narrow))
    with pytest.raises(CallError, match=r"window has the shape \(1, 3\), expected \(steps, 2\)"):
        run.predict([[[1, 2, 3]]])


def test_predict_continues_after_an_invalid_series(run: Run, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (folder / "a.csv").read_text().splitlines()[:200]
    at = next(n for n, line in enumerate(lines) if line.startswith("s2,0.5,"))
    lines[at] = "s2,0.5,high,1,down"
    path = write(folder / "bad.csv", "\n".join(lines))
    assert cli.run(["predict", str(run.path), str(path)]) == 2
    captured = capsys.readouterr()
    answers = [json.loads(line) for line in captured.out.splitlines()]
    assert [answer.get("series") for answer in answers][:4] == ["s0", "s1", None, "s3"]
    place = f"bad.csv, row {at}, field 'window': has 'high' in column 'ax', which is not a number, in series 's2'"
    assert place in answers[2]["error"]
    assert captured.err.startswith(f"recurra: {folder}/{place}") and len(captured.err.splitlines()) <= 2


def test_an_invalid_series_stops_training_or_is_skipped(folder: Path) -> None:
    lines = (folder / "a.csv").read_text().splitlines()
    bad = [next(n for n, line in enumerate(lines) if line.startswith(f"s{k},0.5,")) for k in (4, 9)]
    lines[bad[0]] = "s4,0.5,1,,down"
    lines[bad[1]] = "s9,0.5,1,1,down"
    path = write(folder / "two.csv", "\n".join(lines))
    stop = rf"two.csv, row {bad[0]}, field 'window': has an empty cell in column 'ay', in series 's4' \(line {bad[0] + 1}\); "
    stop += rf"1 more row cannot be used \(row {bad[1]}\). Correct the file, or skip such rows with --set on_error=skip"
    with pytest.raises(DataError, match=stop):
        recurra.train("classify", path, sequence_id="id", out=folder / "stopped", **SMALL)
    seen = Lines()
    recurra.train(
        "classify", path, sequence_id="id", on_error="skip", out=folder / "left", progress=seen, **SMALL | {"steps": 2}
    )
    assert "58 rows" in seen.lines
    assert any(
        line.startswith("2 invalid rows skipped, the first: ") and "in series 's4'" in line for line in seen.lines
    )


def test_an_unknown_class_is_reported_with_its_row(run: Run, folder: Path) -> None:
    lines = (folder / "a.csv").read_text().splitlines()
    lines = [line.replace(",up", ",level") if line.startswith("s3,") else line for line in lines]
    first = next(n for n, line in enumerate(lines) if line.startswith("s3,"))
    path = write(folder / "level.csv", "\n".join(lines))
    with pytest.raises(
        DataError, match=f"level.csv, row {first}, field 'label': class 'level' was not in the training"
    ):
        run.evaluate(path)


def test_regression_on_series_in_any_order_of_rows(folder: Path) -> None:
    options = SMALL | {"hidden_size": 16, "steps": 150, "learning_rate": 0.02, "dropout": 0.0, "ema_decay": 0.9}
    plain = swings(folder / "number.csv", 80, number=True)
    header, *rows = plain.read_text().splitlines()
    random.Random(0).shuffle(rows)
    mixed = write(folder / "mixed.csv", "\n".join([header, *rows]))
    run = recurra.train("regress", mixed, sequence_id="id", time="t", out=folder / "numbers", **options)
    metrics = run.evaluate(mixed)
    assert metrics["r2"] > 0.8
    assert run.evaluate(plain)["mse"] == pytest.approx(metrics["mse"], rel=1e-5)
    with pytest.raises(DataError, match=r"mixed.csv, row \d+, field 'id': the series 's\d+' ended in row \d+"):
        recurra.train("regress", mixed, sequence_id="id", out=folder / "none", **options)


# settings -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"time": "t"}, SettingError, "requires the column of the sequence ID; name it with --sequence-id"),
        (
            {"sequence_id": "id", "step_width": 2},
            SettingError,
            "step_width requires windows in one row; with --sequence-id each row",
        ),
        (
            {"sequence_id": "id", "tokenization": "words"},
            SettingError,
            "sequence_id applies only to numbers inputs, and tokenization only to text",
        ),
        (
            {"sequence_id": "idd"},
            DataError,
            "unknown column 'idd'; expected one of id, t, ax, ay, label; did you mean 'id'",
        ),
        ({"sequence_id": "id", "time": "when"}, DataError, "unknown column 'when'"),
        ({"sequence_id": "id", "measurements": "ax,az"}, DataError, "unknown column 'az'"),
        ({"sequence_id": "id", "measurements": ","}, DataError, "no column has the numbers of a time step"),
    ],
)
def test_invalid_settings(tmp_path: Path, settings: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        recurra.train("classify", swings(tmp_path / "a.csv"), out=tmp_path / "run", **SMALL | settings)


def test_the_sequence_id_selects_the_type(tmp_path: Path) -> None:
    given = settings_from(as_given(Classify.settings_class), {"sequence_id": "id"})
    source = open_source(swings(tmp_path / "a.csv"))
    assert choose_input(given, source, lambda _: ["label"]) == ("numbers", "selected by sequence_id")


def test_a_table_that_seems_to_be_long_causes_a_warning(tmp_path: Path) -> None:
    rows = [f"{n // 10},{n % 7},{n % 5},{n % 3},{'ab'[n // 10 % 2]}" for n in range(100)]
    path = write(tmp_path / "a.csv", "\n".join(["id,ax,ay,az,label", *rows]))
    seen = Lines()
    recurra.train("classify", path, out=tmp_path / "run", progress=seen, **SMALL | {"steps": 2})
    hint = "warning: 'id' rarely changes between rows; if a row is one time step, use --sequence-id id"
    assert [line for line in seen.lines if "--sequence-id" in line] == [hint]


def test_the_named_columns_are_the_window(tmp_path: Path) -> None:
    run = recurra.train(
        "classify",
        swings(tmp_path / "a.csv"),
        sequence_id="id",
        measurements="ax",
        out=tmp_path / "run",
        **SMALL | {"steps": 2},
    )
    examples: Sequence[Any] = list(run.task.dataset.inputs(str(tmp_path / "a.csv")) or ())
    assert {example.steps.shape[1] for example in examples} == {1}
    assert run.predict(examples[:1])[0]["label"] == run.predict([examples[0].steps[:, 0].tolist()])[0]["label"]
