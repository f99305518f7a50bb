"""The warning about a classifier that has learned nothing: in the last lines of train, and in evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_runs import reviews

from recurra.cli.main import run
from recurra.evaluation import weakness


def metrics(*table: list[int]) -> dict[str, Any]:
    return {"loss": 1.0, "confusion": {"classes": ["bad", "good", "so-so"][: len(table)], "table": list(table)}}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (([0, 50], [0, 50]), "the model predicts the class 'good' for all 100 rows"),
        (([0, 1, 0], [0, 0, 0], [0, 98, 0]), "predicts the class 'good' for all 99 rows"),
        (([0, 50], [1, 49]), "the accuracy of 0.490 on 100 rows is not clearly above 0.500"),
        (
            ([30, 20], [20, 30]),
            "the accuracy of 0.600 on 100 rows is not clearly above 0.500",
        ),  # two standard errors: 0.1
        (([30, 20], [19, 31]), None),
        (([0, 90], [0, 0]), None),  # one class in the data
        (([0, 0], [0, 0]), None),
    ],
)
def test_weakness(table: Any, message: str | None) -> None:
    found = weakness(metrics(*table))
    assert found is None if message is None else message in str(found)


def test_other_metrics_have_no_warning() -> None:
    assert weakness({"loss": 1.0, "valid/mae": 2.0}) is None


def test_train_and_evaluate_warn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a step worth the name, the bias of the output layer decides for every row."""
    trained = reviews(tmp_path, steps=1, learning_rate=1e-12, ema_decay=0.0, adversarial_epsilon=0.0, hidden_size=1)
    assert trained.summary()[2].startswith("warning: the ")
    assert run(["evaluate", str(trained.path), str(tmp_path / "reviews.csv")]) == 0
    assert "warning: the " in capsys.readouterr().err.replace("\n", " ")
