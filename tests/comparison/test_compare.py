"""Comparisons: the recommendation follows the spread, finished runs are kept, and failures are listed."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from tiny_runs import LABELLED, write_reviews

import recurra
from recurra.cli.main import run as command
from recurra.comparison import Candidate, Comparison, RunNumbers, compare
from recurra.comparison.measure import training_memory
from recurra.errors import CallError, RunError, TrainingError, UserError
from recurra.inspection.evidence import evidence_of

SETTINGS = LABELLED | {"steps": 4, "hidden_size": 4, "ensemble_size": 1}


def comparison(higher: bool = True, **values: list[float]) -> Comparison:
    sizes = {"rnn": 100, "gru": 300, "lstm": 400}
    candidates = [
        Candidate(cell, [RunNumbers(v, sizes[cell], 0.01, 1000, 5.0) for v in vs]) for cell, vs in values.items()
    ]
    return Comparison("classify", "accuracy", higher, candidates, Path("page.html"))


def test_the_recommendation() -> None:
    better = comparison(rnn=[0.6, 0.62, 0.61], gru=[0.8, 0.82, 0.81], lstm=[0.7, 0.71, 0.72])
    assert [one.cell for one in better.ranked()] == ["gru", "lstm", "rnn"]
    assert better.recommendation().startswith("Recommended: gru. Its accuracy is better")
    close = comparison(rnn=[0.6, 0.62, 0.61], gru=[0.80, 0.84, 0.79], lstm=[0.81, 0.78, 0.83])
    assert "beyond the spread between gru, lstm. Recommended: gru" in close.recommendation()  # fewer parameters
    lower = comparison(higher=False, rnn=[0.6, 0.62], gru=[0.8, 0.82])
    assert lower.recommendation().startswith("Recommended: rnn")
    assert "with one seed the spread is not known" in comparison(rnn=[0.6], gru=[0.8]).recommendation()
    assert better.candidates[1].spread == pytest.approx(0.01)  # of 0.80, 0.82, 0.81, by hand
    assert comparison(rnn=[math.nan]).candidates[0].mean is not None


def test_a_comparison_is_repeated_and_extended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, out = write_reviews(tmp_path / "reviews.csv"), tmp_path / "out"
    first = compare("classify", data, ["rnn", "gru"], seeds=1, out=out, **SETTINGS)
    kept = (out / "rnn-0" / "model.safetensors").stat().st_mtime_ns
    again = compare("classify", data, ["rnn", "gru", "lstm"], seeds=1, out=out, language="zh", **SETTINGS)
    assert (out / "rnn-0" / "model.safetensors").stat().st_mtime_ns == kept
    assert [one.runs for one in again.candidates[:2]] == [one.runs for one in first.candidates]
    assert again.candidates[0].runs[0].parameters == sum(
        weight.numel() for weight in recurra.load(out / "rnn-0").network.parameters()
    )
    assert 'data-figure="compared"' in first.page.read_text(encoding="utf-8")
    with pytest.raises(RunError, match="another settings"):
        compare("classify", data, ["rnn", "gru"], seeds=1, out=out, **(SETTINGS | {"steps": 5}))

    def fails(*_: object, **__: object) -> None:
        raise TrainingError("the loss became nan")

    monkeypatch.setattr("recurra.comparison.trials.train", fails)
    failed = compare("classify", data, ["rnn", "mgu"], seeds=1, out=out, **SETTINGS)
    assert failed.failures() == ["mgu, seed 0: the loss became nan"]
    assert failed.recommendation() == "Only rnn finished."
    assert "failed" in failed.lines()[2]


def test_memory_counts_what_is_saved(tmp_path: Path) -> None:
    """More hidden features keep more, and at least the weights with gradient and two moments."""
    data = write_reviews(tmp_path / "reviews.csv")
    found = []
    for size in (4, 16):
        run = recurra.train(
            "classify", data, out=tmp_path / str(size), **(SETTINGS | {"hidden_size": size, "steps": 1})
        )
        with evidence_of(run, None) as evidence:
            found.append(training_memory(evidence))
        assert found[-1] > 16 * sum(weight.numel() for weight in run.network.parameters())
    assert found[1] > found[0]
    assert torch.is_grad_enabled()


def test_wrong_arguments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_reviews(tmp_path / "reviews.csv")
    with pytest.raises(CallError, match="at least two different cells"):
        compare("classify", data, ["rnn"], out=tmp_path / "out")
    with pytest.raises(UserError, match="unknown cell 'lsmt'"):
        compare("classify", data, ["rnn", "lsmt"], out=tmp_path / "out")
    with pytest.raises(CallError, match="seeds is 0"):
        compare("classify", data, ["rnn", "gru"], seeds=0, out=tmp_path / "out")
    with pytest.raises(CallError, match="seed is set by the comparison"):
        compare("classify", data, ["rnn", "gru"], out=tmp_path / "out", seed=3)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    assert command(["compare", "classify", str(data), "--cells", "rnn,gru", "--out", str(tmp_path / "full")]) == 2
    assert "holds no comparison" in capsys.readouterr().err


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = write_reviews(tmp_path / "reviews.csv"), tmp_path / "out"
    sets = [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    assert (
        command(["compare", "classify", str(data), "--cells", "rnn,gru", "--seeds", "2", "--out", str(out), *sets]) == 0
    )
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split()[:2] == ["cell", "accuracy"] and len(printed) == 5
    assert {printed[1].split()[0], printed[2].split()[0]} == {"rnn", "gru"} and "±" in printed[1]
    assert printed[-1] == str(out / "comparison.html")
