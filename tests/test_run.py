"""A run, as an object."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tiny_runs import reviews

import recurra
from recurra.cells import RNN, Cell
from recurra.errors import CallError, RunError


def test_what_a_run_says_of_itself(tmp_path: Path) -> None:
    run = reviews(tmp_path, bidirectional=False)
    first, second = run.summary()[:2]  # a third line warns if it has learned nothing
    assert first.startswith(f"{run.path}: classify, valid/loss") and "valid/accuracy" in first
    assert second == "streaming: yes"
    assert repr(run) == f"Run({str(run.path)!r}, classify)"
    assert set(run.metrics) >= {"valid/loss", "valid/accuracy", "valid/macro_f1", "valid/confusion"}
    assert not run.network.training


def test_predictions_are_lazy_and_in_order(tmp_path: Path) -> None:
    run, taken = reviews(tmp_path), []

    def endless() -> object:
        n = 0
        while True:
            taken.append(n)
            yield f"film {n}"
            n += 1

    answers = run.predict_iter(endless(), batch_size=4)  # type: ignore[arg-type]
    assert [next(answers) for _ in range(5)] == run.predict([f"film {n}" for n in range(8)])[:5]
    assert len(taken) == 8  # two batches, no more


def test_evaluating_leaves_no_trace(tmp_path: Path) -> None:
    run = reviews(tmp_path)
    before = sorted(run.path.rglob("*"))
    figures = run.evaluate(tmp_path / "reviews.csv")
    assert sorted(run.path.rglob("*")) == before and not run.network.training
    assert figures == run.evaluate(tmp_path / "reviews.csv")


def test_a_cell_made_in_a_function_opens_again(tmp_path: Path) -> None:
    class Mine(RNN): ...

    run = reviews(tmp_path, cell=Mine)
    recorded = yaml.safe_load((run.path / "config.yaml").read_text())["model"]["cell"]
    assert recorded.endswith("<locals>.Mine")
    mine: type[Cell] = Mine
    assert recurra.load(run.path, cells=[mine]).predict(["a film"]) == run.predict(["a film"])
    with pytest.raises(RunError, match="custom cell"):
        recurra.load(run.path)


def test_a_file_name_is_not_predicted_as_a_text(tmp_path: Path) -> None:
    run = reviews(tmp_path)
    (tmp_path / "notes").write_text("a good film\n")
    for name in (
        tmp_path / "reviews.csv",
        str(tmp_path / "notes"),
        "missing.csv",
        "lines.jsonl.gz",
        tmp_path / "notes",
    ):
        with pytest.raises(
            CallError, match=r"is the name of a file: read the file and pass a list, use `recurra predict"
        ):
            run.predict(name)  # type: ignore[arg-type]
    assert run.predict("a good film. Or not?") == run.predict(["a good film. Or not?"])
    assert len(run.predict(["missing.csv"])) == 1
