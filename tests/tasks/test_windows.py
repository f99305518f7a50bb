"""A numeric task of one's own in one file: the example, through the command line and in Python."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import recurra
from recurra import training
from recurra.cli import main as cli
from recurra.data.sources.sources import open_source
from recurra.errors import CallError, DataError, RunError
from recurra.fields import Series
from recurra.plugins import load_task

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "windows.py"


@pytest.fixture(scope="module")
def waves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("waves") / "waves.jsonl"
    runpy.run_path(str(EXAMPLE))["make_waves"](path, rows=240)
    return path


@pytest.fixture(scope="module")
def run(waves: Path) -> Path:
    """Trained by the command, with flags made from the task's own fields."""
    out = waves.parent / "run"
    line = ["train", f"{EXAMPLE}:Windows", waves, "--out", out, "--measurements", "window", "--no-bidirectional"]
    assert cli.run([str(word) for word in (*line, "--set", "steps=300", "--set", "hidden_size=32")]) == 0
    return out


def lines(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    capsys.readouterr()
    status = cli.run([str(word) for word in words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_training_evaluation_and_prediction(
    run: Path, waves: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runpy.run_path(str(EXAMPLE))["make_waves"](tmp_path / "test.jsonl", rows=90, seed=1)
    status, out, err = lines(capsys, "evaluate", run, tmp_path / "test.jsonl", "--json", "--import", EXAMPLE)
    assert status == 0, err
    assert json.loads(out)["accuracy"] >= 0.95
    (tmp_path / "one.txt").write_text((tmp_path / "test.jsonl").read_text().splitlines()[0] + "\n[0.5, 0.1]\n1 0 1\n")
    status, out, err = lines(capsys, "predict", run, tmp_path / "one.txt", "--import", EXAMPLE)
    assert status == 0, err
    assert [json.loads(line)["label"] in ("sine", "square", "saw") for line in out.splitlines()] == [True] * 3
    assert json.loads(out.splitlines()[0])["label"] == "sine"


def test_a_run_does_not_open_without_its_code(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("evaluate", run, "x.jsonl"), ("predict", run)):
        status, out, err = lines(capsys, *words)
        assert (status, out) == (2, "") and f"--import {EXAMPLE}" in err
    with pytest.raises(RunError, match="custom task"):
        recurra.load(run)


def test_numbers_stream(run: Path, waves: Path) -> None:
    opened = recurra.load(run, tasks=[load_task(f"{EXAMPLE}:Windows")])
    assert opened.streams == (True, "")
    window = json.loads(waves.read_text().splitlines()[1])["window"]
    whole = opened.predict([window])[0]
    with opened.stream() as session:
        empty = session.result()
        for at in range(0, len(window), 3):
            session.push(window[at : at + 3])
        session.push([])
        assert session.result()["probabilities"] == pytest.approx(whole["probabilities"], abs=1e-5)
        assert empty["probabilities"] != whole["probabilities"]
        with pytest.raises(CallError, match="window is 'loud', not a list of numbers"):
            session.push("loud")


def test_in_python_with_several_numbers_a_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training in Python with a task class and double precision; Ctrl-C and resuming."""
    task = load_task(f"{EXAMPLE}:Windows")
    draw = np.random.default_rng(0)
    rows = [{"w": (draw.normal(k, 0.3, (4 + n % 5, 2)) * [1, 1000]).tolist(), "kind": k}
            for n in range(40) for k in (0, 1)]  # fmt: skip
    data = tmp_path / "two.jsonl"
    data.write_text("\n".join(map(json.dumps, rows)))
    options: dict[str, Any] = {"measurements": "w", "label": "kind", "steps": 20, "hidden_size": 8, "precision": "64"}
    whole = training.train(task, data, out=tmp_path / "whole", **options)
    assert whole.metrics["valid/accuracy"] > 0.9
    take_step = training.loop.Loop.take_step  # type: ignore[attr-defined]

    def step(self: Any) -> float:
        if self.step == 7:
            import signal

            signal.raise_signal(signal.SIGINT)
        return float(take_step(self))

    with monkeypatch.context() as patch:
        patch.setattr("recurra.training.loop.Loop.take_step", step)
        with pytest.raises(KeyboardInterrupt):
            training.train(task, data, out=tmp_path / "cut", **options)
    resumed = training.resume(tmp_path / "cut", tasks=[task])
    assert resumed.predict([row["w"] for row in rows]) == whole.predict([row["w"] for row in rows])
    with pytest.raises(CallError, match=r"window has the shape \(3, 1\), expected \(steps, 2\)"):
        whole.predict([[[1], [2], [3]]])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("[1, 2", "is '[1, 2', not a list of numbers"),
        ([1, "x"], "not a list of numbers"),
        ([[1], [2, 3]], "not a list of numbers"),
        ([], "is empty"),
        (None, "has the shape ()"),
        ([1, None], "has a number that is not finite"),
    ],
)
def test_an_invalid_series_is_reported_with_its_row(tmp_path: Path, value: Any, said: str) -> None:
    data = tmp_path / "bad.jsonl"
    rows = [{"window": [1, 2, n], "label": "ab"[n % 2]} for n in range(8)]
    rows[2]["window"] = value
    data.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError, match=re.escape("bad.jsonl, row 3, field 'window': ")) as raised:
        training.train(load_task(f"{EXAMPLE}:Windows"), data, out=tmp_path / "run")
    assert said in str(raised.value)


def test_a_series_is_standardised_without_loss_of_precision(tmp_path: Path) -> None:
    """Small differences of large numbers keep their precision. A constant feature stays finite."""
    data = tmp_path / "far.jsonl"
    little = np.random.default_rng(0).normal(0, 1, (30, 3))
    data.write_text("\n".join(json.dumps({"s": [[1e9 + a, 5.1] for a in row]}) for row in little))
    field = Series("s", None)
    assert field.find(open_source(data), []) == "s" and field.width == 2
    rows = [row.values["s"] for row in open_source(data).rows()]
    assert [field.check(row) for row in rows] == [None] * 30
    field.fit(rows)
    coded = np.concatenate(field.encode(rows))
    expected = (little.ravel() - little.mean()) / little.std()
    np.testing.assert_allclose(coded[:, 0], expected, atol=1e-6)  # 1e9 + a keeps a to 1e-7
    assert (coded[:, 1] == 0).all()
    field.save(tmp_path)
    again = Series("s", None)
    again.load(tmp_path)
    np.testing.assert_array_equal(np.concatenate(again.encode(rows)), coded)
    with pytest.raises(RunError, match="was trained with 2 features, but the task has 3"):
        Series("s", None, width=3).load(tmp_path)
