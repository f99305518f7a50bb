"""Ordinal regression, the example of docs/custom-task.md: values computed by hand, and a run from a file."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tiny_runs import SMALL

import recurra
from recurra.errors import DataError
from recurra.plugins import load_object, load_task

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "ordinal.py"


def test_losses_metrics_and_predictions_computed_by_hand() -> None:
    head = load_object(f"{EXAMPLE}:Thresholds")(SimpleNamespace(classes=["1", "2", "10"]))
    output = torch.tensor([[0.0, -1.0], [2.0, 1.0]])
    targets = {"label": torch.tensor([1, 0])}

    def softplus(x: float) -> float:
        return math.log1p(math.exp(x))

    # row 0: class 1 is above boundary 0 and not above boundary 1; row 1: class 0 is above none
    expected = [(softplus(-0.0) + softplus(-1.0)) / 2, (softplus(2.0) + softplus(1.0)) / 2]
    losses = head.losses(output, SimpleNamespace(targets=targets), None)
    torch.testing.assert_close(losses, torch.tensor(expected))
    assert {name: float(value) for name, value in head.metrics(output, targets).items()} == {
        "mae": 1.5,
        "accuracy": 0.0,
    }
    assert head.decode(output) == [{"label": "1"}, {"label": "10"}]


def test_a_run_from_a_file(tmp_path: Path) -> None:
    lines = [f"{'good ' * (n % 11)}film {n},{n % 11}" for n in range(66)]
    (tmp_path / "reviews.csv").write_text("\n".join(["text,stars", *lines]) + "\n")
    task = load_task(f"{EXAMPLE}:Ordinal")
    run = recurra.train(task, tmp_path / "reviews.csv", out=tmp_path / "run", label="stars", ensemble_size=1, **SMALL)
    assert run.task.head.label.classes == [str(n) for n in range(11)]  # 10 comes after 9
    assert run.network.head.out_features == 10
    assert set(run.metrics) == {"valid/loss", "valid/mae", "valid/accuracy"}
    again = recurra.load(run.path, tasks=[task])
    assert again.predict(["good good film"]) == run.predict(["good good film"])
    (tmp_path / "words.csv").write_text("text,stars\n" + "a,one\nb,two\n" * 9)
    with pytest.raises(DataError, match="the classes of label cannot be sorted"):
        recurra.train(task, tmp_path / "words.csv", out=tmp_path / "other", label="stars", **SMALL)
